"""The ids of orders: kept as the provider writes them, found by either, sorted by number."""

from dataclasses import replace

import pytest
from tests.db.kit import a_delivery, a_move, an_order

from orderwatch.core.model import Order, OrderKey, Transition
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import Store
from orderwatch.ports.queries import Search, Sort

UUID = "0b1c2d3e-4f50-4678-9abc-def012345678"
KEYS = [OrderKey("7", 7), OrderKey("41"), OrderKey("000383"), OrderKey("23272", 23272), OrderKey(UUID, 383)]


async def keep(store: Store, key: OrderKey, account: str = "main") -> tuple[Order, Transition]:
    order = an_order(account=account, **key._asdict())
    wanted = a_delivery(account=account, **key._asdict())
    move = a_move(account=account, **key._asdict())
    await store.orders.save(Verdict(order=order, transitions=(move,), wanted=(wanted,)))
    return replace(order, version=1, deliveries=(wanted,)), move


@pytest.mark.parametrize("key", KEYS)
async def test_an_id_comes_back_as_it_was_written_with_all_that_has_it(store: Store, key: OrderKey) -> None:
    order, move = await keep(store, key)
    assert await store.orders.get("main", key.order_id) == order
    assert await store.orders.get_many("main", [key.order_id]) == {key.order_id: order}
    assert await store.orders.of_delivery(order.deliveries[0]) == replace(order, deliveries=())
    assert await store.history.of_order(key.order_id, "main") == [move]
    assert [traits.key for traits in await store.orders.watchable("main", None)] == [key]
    assert await store.orders.unknown("main", [key, OrderKey("another")]) == {OrderKey("another")}


async def test_zeros_make_another_id(store: Store) -> None:
    known = [await keep(store, OrderKey(order_id)) for order_id in ("383", "000383")]
    assert [await store.orders.get("main", order.order_id) for order, _ in known] == [o for o, _ in known]
    assert await store.orders.get("main", "0383") is None


async def test_an_order_is_found_by_either_of_its_ids(store: Store) -> None:
    order, move = await keep(store, OrderKey(UUID, 383))
    for name in (UUID, "383"):
        assert await store.orders.list_all(name) == [order]
        assert await store.history.of_order(name) == [move]
    for unknown in (
        "38",
        "3830",
        UUID.upper(),
        "",
        "-383",
        " 383",
        "383.0",
        str(2**63),
        "9" * 5000,
        "\u0663",
    ):
        assert await store.orders.list_all(unknown) == []
        assert await store.history.of_order(unknown) == []


async def test_a_task_id_finds_no_order_of_another_account_that_has_the_same_order_id(store: Store) -> None:
    _, move = await keep(store, OrderKey("000383", 23272), "one")
    await keep(store, OrderKey("000383"), "two")
    assert await store.history.of_order("23272") == [move]
    assert [order.account for order in await store.orders.list_all("23272")] == ["one"]


async def test_numbers_are_sorted_by_value_whatever_is_among_them(store: Store) -> None:
    for key in reversed(KEYS):
        await keep(store, key)
    ids = [key.order_id for key in sorted(KEYS, key=lambda key: (len(key.order_id), key.order_id))]
    assert ids == ["7", "41", "23272", "000383", UUID]
    assert [order.order_id for order in await store.orders.list_all()] == ids
    for descending in (False, True):
        found = await store.search.find(Search(sort=Sort.ORDER_ID, descending=descending))
        assert [order.order_id for order in found.orders] == ids[:: -1 if descending else 1]


@pytest.mark.parametrize(("text", "ids"), [("0003", ["000383"]), ("383", ["000383", UUID]), ("4f50", [UUID])])
async def test_a_part_of_either_id_is_searched_for(store: Store, text: str, ids: list[str]) -> None:
    for key in KEYS:
        await keep(store, key)
    assert [order.order_id for order in (await store.search.find(Search(text=text))).orders] == ids


async def test_a_task_id_that_is_learned_later_is_kept_beside(store: Store) -> None:
    order, _ = await keep(store, OrderKey(UUID))
    await store.orders.save(Verdict(order=replace(order, task_id=383)))
    [found] = await store.orders.list_all("383")
    assert found.key == OrderKey(UUID, 383)
