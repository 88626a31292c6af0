"""What is kept of an account over restarts: its last complete list, and its open circuit."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from tests.db.kit import MINUTE, NOW, TROUBLES, a_delivery, an_order, held, want

from orderwatch.core.model import Order, OrderState
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.observe import Verdict
from orderwatch.db import orders
from orderwatch.db.repositories import Store, open_store
from orderwatch.ports import AccountState

LATER = NOW + 60 * MINUTE
SOON = NOW + 5 * MINUTE
TROUBLE = OpenCircuit(began_at=NOW, failures=3, until=LATER, refused=False, reason="503")


async def keep(store: Store, *task_ids: int, account: str = "main") -> None:
    """Orders that are due soon."""
    await store.orders.save_all([Verdict(order=an_order(n, account, next_look_at=SOON)) for n in task_ids])


async def listed(store: Store, account: str = "main") -> Collection[str]:
    """The orders that the account's last complete list showed, by their rows."""
    orders = [order for order in await store.orders.list_all() if order.account == account]
    return {order.order_id for order in orders if order.listed_at is not None}


async def due(store: Store, account: str = "main") -> Collection[str]:
    return {known.order_id for known in await store.orders.watchable(account, NOW)}


async def test_a_whole_list_marks_what_it_showed_with_its_time(store: Store) -> None:
    await keep(store, 1, 2, 3)
    assert await store.accounts.mark_listed("main", NOW, ["1", "3", "99"]) == set()
    assert [order.listed_at for order in await store.orders.list_all()] == [NOW, None, NOW]
    assert await store.accounts.states() == {"main": AccountState(listed_at=NOW, trouble=None)}


async def test_the_time_is_that_of_the_last_whole_list(store: Store) -> None:
    await keep(store, 1, 2)
    await store.accounts.mark_listed("main", NOW, ["1"])
    await store.accounts.mark_listed("main", LATER, ["1", "2"])
    assert [order.listed_at for order in await store.orders.list_all()] == [LATER, LATER]


async def test_what_vanished_is_returned_once_and_is_due_at_once(store: Store) -> None:
    await keep(store, 1, 2, 3)
    await store.accounts.mark_listed("main", NOW - MINUTE, ["1", "2", "3"])
    assert await store.accounts.mark_listed("main", NOW, ["2"]) == {"1", "3"}
    assert await due(store) == {"1", "3"}
    assert await listed(store) == {"2"}
    await store.orders.save(Verdict(order=replace(await held(store, 1), next_look_at=SOON)))
    assert await store.accounts.mark_listed("main", NOW, ["2"]) == set()
    assert await due(store) == {"3"}


async def test_what_was_never_listed_does_not_vanish(store: Store) -> None:
    """An order that is watched by its id may be in nobody's list."""
    await keep(store, 1, 2)
    assert await store.accounts.mark_listed("main", NOW, ["1"]) == set()
    assert await store.accounts.mark_listed("main", NOW, ["1"]) == set()
    assert await due(store) == set()


async def test_what_comes_back_can_vanish_again(store: Store) -> None:
    await keep(store, 1)
    found = [await store.accounts.mark_listed("main", NOW, ids) for ids in (["1"], [], ["1"], [])]
    assert found == [set(), {"1"}, set(), {"1"}]


@pytest.mark.parametrize("state", OrderState)
async def test_a_done_order_that_vanished_is_returned_but_never_due(store: Store, state: OrderState) -> None:
    done = state is OrderState.DONE
    await store.orders.save(Verdict(order=an_order(state=state, next_look_at=None if done else SOON)))
    await store.accounts.mark_listed("main", NOW, ["1"])
    assert await store.accounts.mark_listed("main", NOW, []) == {"1"}
    assert (await held(store)).next_look_at == (None if done else NOW)


async def test_a_sweep_leaves_all_else_as_it_was(store: Store) -> None:
    """Also the version: a look that began before it goes on."""
    await want(store, a_delivery())
    before = await held(store)
    await store.accounts.mark_listed("main", NOW, ["1"])
    assert await held(store) == replace(before, listed_at=NOW)
    await store.accounts.mark_listed("main", LATER, [])
    gone: Order = replace(before, listed_at=None, next_look_at=LATER)
    assert await held(store) == gone
    await store.orders.save(Verdict(order=replace(before, next_look_at=SOON)))
    assert await store.history.of_order("1") == []


async def test_what_is_recorded_of_an_order_does_not_touch_whether_it_is_listed(store: Store) -> None:
    await keep(store, 1, 2)
    await store.accounts.mark_listed("main", NOW, ["1"])
    for order in await store.orders.list_all():
        await store.orders.save(Verdict(order=replace(order, listed_at=None if order.listed_at else LATER)))
    assert [order.listed_at for order in await store.orders.list_all()] == [NOW, None]


async def test_an_order_first_seen_after_the_list_is_not_listed(store: Store) -> None:
    await store.accounts.mark_listed("main", NOW, ["1"])
    await keep(store, 1)
    assert await listed(store) == set()


async def test_a_sweep_is_its_own_accounts(store: Store) -> None:
    for account in ("one", "two"):
        await keep(store, 1, 2, account=account)
        await store.accounts.mark_listed(account, NOW, ["1", "2"])
    assert await store.accounts.mark_listed("one", LATER, ["2"]) == {"1"}
    assert await listed(store, "two") == {"1", "2"}
    assert await due(store, "two") == set()
    assert {name: kept.listed_at for name, kept in (await store.accounts.states()).items()} == {
        "one": LATER,
        "two": NOW,
    }


async def test_more_orders_than_a_statement_takes_are_swept_all_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "_MAX_VARIABLES", 2)
    await keep(store, *range(1, 8))
    await store.accounts.mark_listed("main", NOW, [*map(str, range(1, 8))])
    assert await listed(store) == set(map(str, range(1, 8)))
    assert await store.accounts.mark_listed("main", NOW, ["4"]) == {"1", "2", "3", "5", "6", "7"}
    assert await due(store) == {"1", "2", "3", "5", "6", "7"}


@pytest.mark.sqlite
def test_trouble_comes_back_as_it_was_kept(database: Path) -> None:
    with asyncio.Runner() as runner:
        opened = open_store(database)
        store = runner.run(opened.__aenter__())

        async def write_and_read(trouble: OpenCircuit) -> None:
            await store.accounts.save_circuit("main", trouble)
            assert (await store.accounts.states())["main"].trouble == trouble

        @settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
        @given(TROUBLES)
        def each(trouble: OpenCircuit) -> None:
            runner.run(write_and_read(trouble))

        try:
            each()
        finally:
            runner.run(opened.__aexit__(None, None, None))


async def test_trouble_outlives_the_process_until_it_is_over(database: Path) -> None:
    async with open_store(database) as store:
        await store.accounts.save_circuit("main", TROUBLE)
        await store.accounts.save_circuit("other", replace(TROUBLE, refused=True))
    async with open_store(database) as store:
        kept = await store.accounts.states()
        assert kept == {
            "main": AccountState(listed_at=None, trouble=TROUBLE),
            "other": AccountState(listed_at=None, trouble=replace(TROUBLE, refused=True)),
        }
        await store.accounts.save_circuit("main", None)
        kept = await store.accounts.states()
        assert (kept["main"].trouble, kept["other"].trouble) == (None, replace(TROUBLE, refused=True))


async def test_the_list_and_the_trouble_of_an_account_are_kept_side_by_side(store: Store) -> None:
    await store.accounts.mark_listed("main", NOW, [])
    await store.accounts.save_circuit("main", TROUBLE)
    assert await store.accounts.states() == {"main": AccountState(listed_at=NOW, trouble=TROUBLE)}
    await store.accounts.mark_listed("main", LATER, [])
    assert await store.accounts.states() == {"main": AccountState(listed_at=LATER, trouble=TROUBLE)}
    await store.accounts.save_circuit("main", None)
    assert await store.accounts.states() == {"main": AccountState(listed_at=LATER, trouble=None)}
