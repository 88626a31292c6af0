"""The queue: counted without loading it, and read in the order of its turn."""

from datetime import timedelta
from typing import Any

from tests.db.kit import MINUTE, NOW, a_delivery, an_order

from orderwatch.core.cluster.hosts import Host
from orderwatch.core.model import Capture, CapturePhase, DeliveryState, TrackedStatus
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.queue.backlog import Backlog, FileGroup
from orderwatch.db.repositories import Store

S = DeliveryState
HOUR = timedelta(hours=1)


def published(capture_id: str, minutes_ago: int) -> Capture:
    standing: TrackedStatus[CapturePhase] = TrackedStatus(word="published", phase=CapturePhase.PUBLISHED)
    return Capture(capture_id=capture_id, status=standing, published_at=NOW - minutes_ago * MINUTE)


async def placed(store: Store, task_id: int, *wanted: dict[str, Any], **fields: Any) -> None:  # noqa: ANN401 - of any field
    files = tuple(a_delivery(**{"task_id": task_id, "scene_id": f"s{task_id}", **one}) for one in wanted)
    fields = {"captures": (published("capture-1", task_id),), **fields}
    await store.orders.save(Verdict(order=an_order(task_id, **fields), wanted=files))


def group(
    attachment: str, state: DeliveryState, *, is_later: bool = False, sized: int = 0, size: int = 0
) -> FileGroup:
    return FileGroup("main", attachment, state, is_later, 1, sized, size)


async def test_what_is_to_come_is_counted_in_groups_with_typical_sizes(store: Store) -> None:
    stored = {"state": S.STORED, "stored_at": NOW}
    await placed(
        store,
        1,
        {"total": 100, "durable": 40},
        {"attachment": "preview"},
        {"scene_id": "x", "attachment": "preview", "state": S.WAITING, "not_before": NOW + HOUR},
        {"scene_id": "y", "attachment": "preview", "state": S.WAITING, "not_before": NOW - HOUR},
        {"scene_id": "z", "state": S.GIVEN_UP, "total": 7},
        {"scene_id": "p", "attachment": "preview", "size": 10, **stored},
        {"scene_id": "q", "attachment": "preview", "size": 20, **stored},
    )
    totals = await store.queue.totals(NOW)
    assert sorted(totals.groups) == [
        group("delivery_zip", S.WANTED, sized=1, size=60),
        group("preview", S.WAITING),
        group("preview", S.WAITING, is_later=True),
        group("preview", S.WANTED),
    ]
    assert totals.typical == {"preview": 15.0}
    assert totals.backlog == Backlog(files=4, sized=1, size=60, estimate=45)
    assert totals.backlog.files == (await store.statistics.counts()).to_come
    [order], number = await store.queue.orders(NOW, 9)
    assert (order.backlog, number) == (totals.backlog, 1)


async def test_files_come_in_the_order_in_which_they_are_claimed(store: Store) -> None:
    rush = {"document": {"priority": 9}}
    await placed(store, 1, {"state": S.FETCHING})
    await placed(store, 2, {"total": 500}, {"attachment": "preview"}, {"scene_id": "small", "total": 5})
    await placed(store, 3, {})
    await placed(store, 4, {}, **rush)
    await placed(store, 5, {"state": S.WAITING, "not_before": NOW + HOUR}, **rush)
    await placed(store, 6, {"state": S.PARKED, "not_before": NOW + MINUTE})
    await placed(store, 7, {"state": S.WAITING, "not_before": NOW - MINUTE})
    files = await store.queue.files(NOW, 0, 99)
    line = [(file.delivery.task_id, file.delivery.attachment[:3], file.delivery.total) for file in files]
    in_line = [(4, "del", None), (7, "del", None), (3, "del", None), (2, "pre", None), (2, "del", 5)]
    assert line == [(1, "del", None), *in_line, (2, "del", 500), (6, "del", None), (5, "del", None)]
    assert [file.is_later for file in files] == [False] * 7 + [True] * 2
    assert [*await store.queue.files(NOW, 0, 4), *await store.queue.files(NOW, 4, 99)] == list(files)
    orders, number = await store.queue.orders(NOW, 3)
    assert ([order.task_id for order in orders], number) == ([1, 5, 4], 7)
    claims = [await store.deliveries.claim(NOW, ["main"]) for _ in range(3)]
    assert [claim.task_id for claim in claims if claim] == [4, 7, 3]


async def test_a_download_has_the_name_of_its_host(store: Store) -> None:
    host = Host(host="north", boot=store.boot, version="1", config_digest="x", seen_at=NOW)
    await store.hosts.beat(host)
    await placed(store, 1, {}, {"scene_id": "other"})
    await store.deliveries.claim(NOW, ["main"])
    files = await store.queue.files(NOW, 0, 9)
    assert [(file.delivery.state, file.host) for file in files] == [(S.FETCHING, "north"), (S.WANTED, None)]
    assert files[0].published_at == NOW - MINUTE


async def test_without_anything_to_come_the_queue_is_empty(store: Store) -> None:
    await placed(store, 1, {"state": S.STORED, "stored_at": NOW, "size": 1})
    assert (await store.queue.totals(NOW)).backlog == Backlog()
    assert await store.queue.orders(NOW, 9) == ([], 0)
    assert await store.queue.files(NOW, 0, 9) == []
