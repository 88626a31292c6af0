"""A page of orders: searched, filtered and sorted."""

import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.db.kit import MINUTE, NOW, a_delivery, a_move, an_order

from orderwatch.core.model import Capture, CapturePhase, OrderState, TrackedStatus
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import Store, open_dashboard_reader
from orderwatch.ports.queries import Choices, Found, News, Search, Sort

TAKEN = Capture(
    capture_id="capture-1",
    status=TrackedStatus(word="published", phase=CapturePhase.PUBLISHED),
    satellite_name="NewSat-42",
)


@pytest.fixture
async def gallery(database: Path, store: Store) -> AsyncIterator[Store]:
    first = an_order(1, task_name="Quay", project_name="Å100%", captures=(TAKEN,), looked_at=NOW)
    await store.orders.save(Verdict(order=first, transitions=(a_move(),), wanted=(a_delivery("SCENE-9"),)))
    second = an_order(2, "other", task_name="dam", start=NOW, state=OrderState.DONE)
    await store.orders.save(Verdict(order=second, transitions=(a_move(task_id=2, account="other"),)))
    third = an_order(3, start=NOW - MINUTE, looked_at=NOW + MINUTE)
    await store.orders.save(Verdict(order=third))
    async with open_dashboard_reader(database) as gallery:
        yield gallery


async def ids(gallery: Store, search: Search) -> list[int | None]:
    found = await gallery.search.find(search)
    assert found.total == len(found.orders)
    return [order.task_id for order in found.orders]


@pytest.mark.parametrize("text", ["qUaY", "1", "å100", "Å100%", "newsat-42", "capture-1", "scene-9"], ids=str)
async def test_text_is_searched_for_in_every_name_and_id(gallery: Store, text: str) -> None:
    assert await ids(gallery, Search(text=text)) == [1]


@pytest.mark.parametrize("text", ["_uay", "%", "100_", "\\", "'"])
async def test_text_is_taken_as_it_is(gallery: Store, text: str) -> None:
    assert await ids(gallery, Search(text=text)) == ([1] if text == "%" else [])


async def test_filters_narrow(gallery: Store) -> None:
    assert await ids(gallery, Search(account="other")) == [2]
    assert await ids(gallery, Search(project="Å100%")) == [1]
    assert await ids(gallery, Search(state=OrderState.OPEN, status="in_progress")) == [1, 3]
    assert await ids(gallery, Search(account="main", state=OrderState.DONE)) == []


async def test_what_has_no_value_to_sort_by_comes_last_either_way(gallery: Store) -> None:
    assert await ids(gallery, Search(sort=Sort.START)) == [3, 2, 1]
    assert await ids(gallery, Search(sort=Sort.START, descending=True)) == [2, 3, 1]
    assert await ids(gallery, Search(sort=Sort.NAME)) == [2, 1, 3]
    assert await ids(gallery, Search(sort=Sort.MOVED, descending=True)) == [2, 1, 3]


@pytest.mark.parametrize("sort", Sort)
async def test_every_page_has_its_part_whole(gallery: Store, sort: Sort) -> None:
    whole = await gallery.search.find(Search(sort=sort))
    pages = [await gallery.search.find(Search(sort=sort, offset=n, limit=1)) for n in range(4)]
    assert [page.total for page in pages] == [3] * 4
    assert [order for page in pages for order in page.orders] == whole.orders
    first = next(order for order in whole.orders if order.task_id == 1)
    assert first == await gallery.orders.get("main", "1")
    assert (len(first.captures), len(first.deliveries)) == (1, 1)


async def test_news_are_what_changed_and_was_polled_since(gallery: Store, store: Store) -> None:
    newest = await gallery.history.newest_number()
    assert await gallery.history.news(newest, 5, NOW) == News(newest, [], [("main", "3")], frozenset(), [])
    order = await store.orders.get("main", "3")
    assert order is not None
    move = a_move("completed", 3)
    await store.orders.save(
        Verdict(order=replace(order, looked_at=NOW + timedelta(hours=1)), transitions=(move,))
    )
    assert await gallery.history.newest_number() == newest + 1
    assert [found for _, found in await gallery.history.newest(None, 1)] == [move]
    older = await gallery.history.newest(newest + 1, 5)
    assert [number for number, _ in older] == [newest, newest - 1]


async def test_choices_are_what_orders_have(gallery: Store) -> None:
    assert await gallery.search.choices() == Choices(
        ["main", "other"], ["Å100%"], ["in_progress"], ["done", "open"]
    )


async def test_history_is_that_of_every_account_or_of_one(gallery: Store, store: Store) -> None:
    await store.orders.save(Verdict(order=an_order(1, "other"), transitions=(a_move(account="other"),)))
    assert [move.account for move in await gallery.history.of_order("1")] == ["main", "other"]
    assert [move.account for move in await gallery.history.of_order("1", "other")] == ["other"]


async def test_nothing_can_be_chosen_where_nothing_is_known(database: Path) -> None:
    async with open_dashboard_reader(database) as empty:
        assert await empty.search.choices() == Choices([], [], [], [])
        assert await empty.search.find(Search()) == Found([], 0)


async def test_a_number_that_only_python_reads_hides_no_order(gallery: Store, store: Store) -> None:
    """JSON of the standard library was written, which has more numbers than there are."""
    await store.orders.save(Verdict(order=an_order(4, document={"area": math.inf})))
    found = await gallery.orders.get("main", "4")
    assert found is not None
    assert found.document == {"area": math.inf}
