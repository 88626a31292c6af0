"""Orders of many files: what readers get, and that neither claims nor readers read every row."""

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.databases import new_database
from tests.db.kit import MINUTE, NOW, a_delivery, a_move, an_order

from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    Subject,
    TrackedStatus,
    TransitionKind,
    count_files,
)
from orderwatch.core.orders.completeness import display_state, is_complete
from orderwatch.core.orders.listed_files import MAX_LISTED, MAX_NAMED, files_in_words, listed_files
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import Store, open_store
from orderwatch.ports import Detail

FILES = 3 * MAX_LISTED
STORED: dict[str, Any] = {"state": DeliveryState.STORED, "size": 1000, "stored_at": NOW, "sha256": "0f" * 32}


def a_capture(capture_id: str, minutes: int = 0) -> Capture:
    published: TrackedStatus[CapturePhase] = TrackedStatus(word="published", phase=CapturePhase.PUBLISHED)
    return Capture(capture_id=capture_id, status=published, published_at=NOW + minutes * MINUTE)


def tiles(
    capture_id: str,
    number: int,
    **facts: Any,  # noqa: ANN401 - fields of a delivery
) -> list[Delivery]:
    return [
        a_delivery(f"{capture_id} {n // 7}", capture_id=capture_id, attachment=f"asset-{n % 7}", **facts)
        for n in range(number)
    ]


def large_order() -> Order:
    """One capture with few files, one with many of which some are stuck."""
    many = tiles("many", FILES, **STORED)
    many[5:7] = [replace(one, state=DeliveryState.PARKED, stored_at=None) for one in many[5:7]]
    many[10:30] = [replace(one, state=DeliveryState.FETCHING, stored_at=None) for one in many[10:30]]
    captures = (a_capture("few"), a_capture("many"))
    return an_order(captures=captures, deliveries=(*tiles("few", 3, **STORED), *many))


async def recorded(store: Store, order: Order) -> None:
    await store.maintenance.restore([Verdict(order=order)])


async def test_a_counted_order_has_the_numbers_of_the_whole_one(store: Store) -> None:
    await recorded(store, large_order())
    whole = await store.orders.get("main", "1")
    counted = await store.orders.get("main", "1", Detail.NONE)
    assert whole is not None
    assert counted is not None
    assert counted.deliveries == ()
    assert Counter(counted.files) == Counter(count_files(whole.deliveries)) == Counter(whole.files)
    assert (display_state(counted), is_complete(counted)) == (display_state(whole), is_complete(whole))


async def test_what_is_listed_is_the_same_of_a_whole_order_and_of_one_read_for_that(store: Store) -> None:
    await recorded(store, large_order())
    whole = await store.orders.get("main", "1")
    part = await store.orders.get("main", "1", Detail.LISTED)
    assert whole is not None
    assert part is not None
    assert len(part.deliveries) == 3 + 2 + MAX_NAMED  # few, parked and the first of those being fetched
    for capture_id in ("few", "many"):
        ours, theirs = listed_files(part, capture_id), listed_files(whole, capture_id)
        assert ours.listed == theirs.listed
        assert Counter(ours.others) == Counter(theirs.others)


async def test_of_many_files_those_in_need_are_named_and_the_rest_is_counted(store: Store) -> None:
    await recorded(store, large_order())
    order = await store.orders.get("main", "1", Detail.LISTED)
    assert order is not None
    few, many = listed_files(order, "few"), listed_files(order, "many")
    assert (len(few.listed), few.others) == (3, ())
    assert [one.state for one in many.listed] == ["parked"] * 2 + ["fetching"] * (MAX_NAMED - 2)
    assert {files_in_words(some).partition(",")[0] for some in many.others} == {
        f"{FILES - 22} files stored",
        f"{20 - (MAX_NAMED - 2)} files fetching",
    }


async def test_a_map_is_drawn_from_one_delivery_of_each_scene(store: Store) -> None:
    await recorded(store, large_order())
    order = await store.orders.get("main", "1", Detail.SCENES)
    assert order is not None
    scenes = [one.scene_id for one in order.deliveries]
    assert sorted(scenes) == sorted({one.scene_id for one in large_order().deliveries})


async def test_the_usual_steps_of_many_files_are_one_line_of_the_history_and_failures_their_own(
    store: Store,
) -> None:
    moves = [
        a_move(
            str(after),
            before=before,
            subject=Subject.DELIVERY,
            capture_id="many",
            scene_id=f"scene {n}",
            file=f"file {n}",
            detail=f"file {n}",
            kind=TransitionKind.STEP,
        )
        for before, after in ((None, DeliveryState.WANTED), (DeliveryState.WANTED, DeliveryState.FETCHING))
        for n in range(FILES)
    ]
    failed = replace(moves[-1], before="fetching", after="waiting", detail="the host answered 503")
    order = an_order(captures=(a_capture("many"),))
    first = a_move("in_progress")
    await store.maintenance.restore([Verdict(order=order, transitions=(first, *moves, failed))])
    folded = await store.history.folded("1", "main")
    assert [(row.move.after, row.number) for row in folded] == [
        ("in_progress", 1),
        ("wanted", FILES),
        ("fetching", FILES),
        ("waiting", 1),
    ]
    assert await store.history.moved_at("1", "main") == first.at


async def test_pictures_are_the_first_stored_ones_of_each_capture(store: Store) -> None:
    pictures = [
        a_delivery(f"{capture_id} {n}", capture_id=capture_id, attachment="thumbnail", **STORED)
        for capture_id in ("few", "many")
        for n in range(9)
    ]
    pictures[0] = replace(pictures[0], state=DeliveryState.WANTED, stored_at=None)
    captures = (a_capture("few"), a_capture("many"))
    await recorded(store, an_order(captures=captures, deliveries=tuple(pictures)))
    found = await store.deliveries.pictures("main", "1", 4)
    assert [one.scene_id for one in found] == [
        *(f"few {n}" for n in (1, 2, 3, 4)),
        *(f"many {n}" for n in range(4)),
    ]


async def test_deliveries_of_all_orders_are_claimed_by_priority_then_publication(store: Store) -> None:
    orders = [
        an_order(1, captures=(a_capture("late", 2), a_capture("early", 0))),
        an_order(2, captures=(a_capture("middle", 1),)),
        an_order(3, document={"priority": 5}, captures=(a_capture("rush", 3),)),
    ]
    expected = []
    for order in orders:
        wanted = [
            replace(one, order_id=order.order_id, task_id=order.task_id)
            for capture in order.captures
            for one in tiles(capture.capture_id, 2)
        ]
        await store.orders.save(Verdict(order=order, wanted=tuple(wanted)))
    waiting = a_delivery("again", capture_id="early", state=DeliveryState.WAITING, not_before=NOW)
    held = await store.orders.get("main", "1")
    assert held is not None
    await store.orders.save(Verdict(order=replace(held, deliveries=()), wanted=(waiting,)))
    while claimed := await store.deliveries.claim(NOW + timedelta(days=1), ["main"]):
        expected.append(claimed.capture_id)
    assert expected == ["rush"] * 2 + ["early"] * 3 + ["middle"] * 2 + ["late"] * 2


async def steps_of_a_claim(folder: Path, orders: int) -> int:
    """How many thousand steps SQLite's machine makes for a claim among so many orders of many files."""
    database = new_database(folder)
    async with open_store(database) as store:
        for number in range(1, orders + 1):
            order = an_order(number, captures=(a_capture("many", number),))
            key: dict[str, Any] = {"order_id": str(number), "task_id": number}
            wanted = tuple(replace(one, **key) for one in tiles("many", 400))
            await store.orders.save(Verdict(order=order, wanted=wanted))
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 1

        def watch(db: object) -> None:
            raw = db.connection.driver_connection  # type: ignore[attr-defined]
            assert isinstance(raw, sqlite3.Connection)
            raw.set_progress_handler(count, 100)

        await store.database.write(watch)
        assert await store.deliveries.claim(NOW, ["main"], NOW + MINUTE) is not None
        return steps


async def test_a_claim_does_not_read_the_whole_queue(tmp_path: Path) -> None:
    for name in ("few", "many"):
        (tmp_path / name).mkdir()
    few, many = await steps_of_a_claim(tmp_path / "few", 2), await steps_of_a_claim(tmp_path / "many", 20)
    assert many < 2 * few


@pytest.mark.sqlite
async def test_counting_reads_no_row_of_a_delivery(store: Store, database: Path) -> None:
    await recorded(store, large_order())
    query = (
        "SELECT capture_id, state, count(*), sum(size), max(stored_at) FROM deliveries"
        " WHERE order_row IN (1) GROUP BY order_row, capture_id, state"
    )
    with closing(sqlite3.connect(database)) as db:
        [plan] = db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
    assert "COVERING INDEX ix_deliveries_counted" in plan[3]
