"""The gallery: each scene once, newest first, page by page, and by steps in an index."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite
from tests.db.kit import NOW, a_delivery, an_order

from orderwatch.core.deliveries.state_machine import claimed
from orderwatch.core.model import Capture, Delivery, DeliveryState, SceneFacts, TrackedStatus
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.queries import gallery
from orderwatch.db.repositories import Store
from orderwatch.ports.gallery import GallerySearch, Position

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STORED: dict[str, Any] = {"state": DeliveryState.STORED, "size": 9, "stored_at": NOW, "sha256": "0f" * 32}


def picture(number: int, attachment: str = "thumbnail", **fields: Any) -> Delivery:  # noqa: ANN401 - any field
    """One of scene `number`, which was taken that many hours ago."""
    scene = SceneFacts(timestamp=NOW - number * HOUR, cloud_cover=number / 2)
    given = {
        "attachment": attachment,
        "scene": scene,
        "path": f"{number}{attachment}{fields}",
        **STORED,
        **fields,
    }
    return a_delivery(f"scene-{number}", **given)


async def restored(store: Store, *files: Delivery, task_id: int = 1, **facts: Any) -> None:  # noqa: ANN401 - any field
    capture = Capture(
        capture_id="capture-1", status=TrackedStatus(word="published", phase=None), satellite_name="NewSat-9"
    )
    order = an_order(task_id, captures=(capture,), deliveries=files, **facts)
    await store.maintenance.restore([Verdict(order=order)])


async def scenes(store: Store, **search: Any) -> list[str]:  # noqa: ANN401 - any field
    found = await store.gallery.page(GallerySearch(**search))
    return [one.picture.scene_id.removeprefix("scene-") for one in found]


async def test_each_scene_comes_once_by_its_newest_thumbnail_with_all_its_stored_files(store: Store) -> None:
    parts = [
        picture(1, "delivery_zip"),
        picture(1, "preview"),
        picture(1),
        picture(1, version=2),
        picture(2, "preview"),
        picture(3, "delivery_zip"),
        picture(4, state=DeliveryState.WAITING, stored_at=None),
    ]
    await restored(store, *parts, task_name="Quay", project_name="Harbour")
    found = await store.gallery.page(GallerySearch())
    assert [(one.picture.scene_id, one.picture.attachment, one.picture.version) for one in found] == [
        ("scene-1", "thumbnail", 2),
        ("scene-2", "preview", 1),
    ]
    assert [file.attachment for file in found[0].files] == [
        "delivery_zip",
        "preview",
        "thumbnail",
        "thumbnail",
    ]
    assert found[0][3:] == ("Quay", "Harbour", "NewSat-9")
    assert (found[0].picture.scene.cloud_cover, found[1].picture.scene.cloud_cover) == (0.5, 1.0)


async def test_pages_follow_each_other_without_a_gap_also_where_times_are_equal(store: Store) -> None:
    same = [replace(picture(n), scene=SceneFacts(timestamp=NOW - 3 * HOUR)) for n in (3, 4, 5, 6)]
    await restored(store, picture(1), *same, picture(7), picture(2))
    seen: list[str] = []
    after: Position | None = None
    while page := await store.gallery.page(GallerySearch(limit=2, after=after)):
        seen += [one.picture.scene_id[-1] for one in page]
        after = page[-1].position
    assert seen == ["1", "2", "6", "5", "4", "3", "7"]


async def test_scenes_are_found_by_account_project_order_and_time(store: Store) -> None:
    await restored(store, picture(1), picture(30), project_name="Harbour")
    await restored(
        store, picture(2, order_id="2", account="other"), task_id=2, account="other", project_name="Mine"
    )
    assert await scenes(store) == ["1", "2", "30"]
    assert await scenes(store, account="other") == ["2"]
    assert await scenes(store, project="Harbour") == ["1", "30"]
    assert await scenes(store, account="main", order_id="2") == []
    assert await scenes(store, since=NOW - 2 * HOUR) == ["1", "2"]
    assert await scenes(store, until=NOW - 2 * HOUR) == ["30"]


async def test_a_scene_without_a_time_has_that_of_its_file(store: Store) -> None:
    await restored(store, picture(1), replace(picture(9), scene=SceneFacts()))
    assert await scenes(store) == ["9", "1"]


async def test_a_picture_leaves_when_it_is_wanted_again(store: Store) -> None:
    await restored(store, picture(1))
    [stored] = await store.deliveries.in_states(DeliveryState.STORED)
    change = claimed(replace(stored, state=DeliveryState.WANTED, stored_at=None), NOW)
    wanted = replace(change, delivery=replace(change.delivery, state=DeliveryState.WANTED), transition=None)
    await store.deliveries.save(wanted)
    assert await scenes(store) == []


async def test_the_files_of_an_order_come_in_pages(store: Store) -> None:
    await restored(store, *(picture(n) for n in range(5)), picture(9, state=DeliveryState.PARKED))
    first = await store.gallery.files("main", "1", 0, 3)
    assert first.last is not None
    last = await store.gallery.files("main", "1", first.last, 3)
    assert [file.scene_id[-1] for file in (*first.files, *last.files)] == ["0", "1", "2", "3", "4"]
    assert last.last is None
    assert (await store.gallery.files("main", "2", 0, 3)).files == []


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "search",
    [
        GallerySearch(),
        GallerySearch(after=Position(NOW, 7), since=NOW - DAY, until=NOW + DAY),
        GallerySearch(account="main", project="Harbour"),
    ],
)
async def test_no_page_is_sorted_and_each_begins_in_the_index(
    search: GallerySearch, store: Store, database: Path
) -> None:
    query = gallery._matching(search).compile(
        dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
    )
    with closing(sqlite3.connect(database)) as connection:
        plan = [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert "deliveries USING INDEX ix_deliveries_pictured" in plan[0]
    assert not [step for step in plan if "TEMP B-TREE" in step or "counted" in step]
    assert await store.gallery.page(search) == []
