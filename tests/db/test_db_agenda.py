"""The orders of a period, found by their windows and captures."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.core.agenda.agenda_kit import DAY, a_capture
from tests.db.kit import NOW, an_order

from orderwatch.core.model import Capture, CapturePhase
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import Store
from orderwatch.ports.agenda import Period

WEEK = Period(since=NOW, until=NOW + 7 * DAY)


async def placed(store: Store, task_id: int, *taken: Capture, **fields: Any) -> None:  # noqa: ANN401 - of any field
    await store.orders.save(Verdict(order=an_order(task_id, captures=taken, **fields)))


async def found(store: Store, period: Period, limit: int = 99) -> list[int | None]:
    orders = await store.agenda.in_rows(await store.agenda.rows(period, limit))
    return [order.task_id for order in orders]


async def test_windows_count_that_overlap_or_only_those_that_open_or_close(store: Store) -> None:
    await placed(store, 1, start=NOW - 9 * DAY, end=NOW + 9 * DAY)
    await placed(store, 2, start=NOW - 9 * DAY, end=NOW + 2 * DAY)
    await placed(store, 3, start=NOW + 3 * DAY, end=NOW + 30 * DAY)
    await placed(store, 4, start=NOW - 9 * DAY, end=NOW - timedelta(seconds=1))
    await placed(store, 5, start=NOW + 7 * DAY)
    await placed(store, 6)
    await placed(store, 7, end=NOW)
    assert await found(store, WEEK) == [3, 1, 2, 7]
    assert await found(store, replace(WEEK, throughout=False)) == [3, 2, 7]
    assert await found(store, WEEK, 2) == [3, 1]


async def test_captures_count_with_their_publications(store: Store) -> None:
    long_ago = {"start": NOW - 90 * DAY, "end": NOW - 80 * DAY}
    await placed(store, 1, a_capture(start=NOW + DAY), **long_ago)
    await placed(store, 2, a_capture(start=NOW + 8 * DAY), **long_ago)
    published = a_capture(CapturePhase.PUBLISHED, NOW - 85 * DAY, published_at=NOW + DAY)
    await placed(store, 3, published, **long_ago)
    await placed(store, 4, a_capture(CapturePhase.CAPTURED, NOW - 2 * DAY), **long_ago)  # expected
    assert await found(store, WEEK) == [1, 3, 4]


async def test_one_account_or_project_may_be_chosen(store: Store) -> None:
    await placed(store, 1, start=NOW, project_name="Port")
    await placed(store, 2, start=NOW, project_name="Mine")
    await placed(store, 3, start=NOW, account="other", project_name="Port")
    assert await found(store, replace(WEEK, project="Port")) == [1, 3]
    assert await found(store, replace(WEEK, project="Port", account="other")) == [3]
    assert await found(store, replace(WEEK, account="none")) == []
