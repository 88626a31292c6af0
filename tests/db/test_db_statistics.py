"""The summary: counts, and the foremost orders."""

from typing import Any

from tests.db.kit import MINUTE, NOW, a_delivery, a_move, an_order

from orderwatch.core.model import DeliveryState, OrderState
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.statistics import Summary
from orderwatch.db.repositories import Store


async def known(store: Store, task_id: int, *states: DeliveryState, **fields: Any) -> None:  # noqa: ANN401 - of any field
    wanted = [a_delivery(f"s{n}", task_id, state=state) for n, state in enumerate(states)]
    await store.orders.save(Verdict(order=an_order(task_id, **fields), wanted=tuple(wanted)))


async def test_what_moves_comes_first_then_trouble_then_what_is_due_soonest(store: Store) -> None:
    await known(store, 1, next_look_at=NOW + 9 * MINUTE)
    await known(store, 2, next_look_at=NOW)
    await known(store, 3)
    await known(store, 4, DeliveryState.WANTED, DeliveryState.STORED)
    await known(store, 5, DeliveryState.WANTED, DeliveryState.PARKED)
    await known(store, 6, DeliveryState.WAITING)
    await known(store, 7, DeliveryState.WANTED, DeliveryState.FETCHING)
    await known(store, 8, DeliveryState.STORED, state=OrderState.DONE)
    seen = await store.statistics.summary(9, 9)
    assert [order.task_id for order in seen.orders] == [7, 5, 6, 4, 2, 1, 3]
    assert [order.task_id for order in (await store.statistics.summary(2, 9)).orders] == [7, 5]
    assert [delivery.task_id for delivery in seen.running] == [7]


async def test_counts_are_of_everything_and_moves_are_the_newest_oldest_first(store: Store) -> None:
    for task_id in (1, 2, 3):
        await known(store, task_id, DeliveryState.STORED, DeliveryState.GIVEN_UP)
    moves = tuple(a_move(f"word-{n}") for n in range(5))
    await store.orders.save(Verdict(order=an_order(4, state=OrderState.SETTLING), transitions=moves))
    seen = await store.statistics.summary(1, 2)
    assert seen.counts.orders == {OrderState.OPEN: 3, OrderState.SETTLING: 1}
    assert seen.counts.deliveries == {DeliveryState.STORED: 3, DeliveryState.GIVEN_UP: 3}
    assert [move.after for move in seen.moves] == ["word-3", "word-4"]


async def test_of_an_empty_database_there_is_nothing_to_see(store: Store) -> None:
    seen = await store.statistics.summary(9, 9)
    assert seen == Summary(orders=[], running=[], moves=[])
