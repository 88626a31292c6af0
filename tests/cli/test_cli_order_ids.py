"""Commands take an order by its order id or its task id, and show the former."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.cli.conftest import Call
from tests.db.kit import a_delivery, a_move, an_order

from orderwatch.core.model import DeliveryState, OrderKey
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import open_store

UUID = "0b1c2d3e-4f50-4678-9abc-def012345678"
KEYS = [OrderKey("000383", 23273), OrderKey(UUID), OrderKey("23272", 23272)]


@pytest.fixture(autouse=True)
def known(database: Path) -> None:
    """Three orders, each with a delivery that was given up."""

    async def fill() -> None:
        async with open_store(database) as store:
            for key in KEYS:
                ids = key._asdict()
                stuck = a_delivery(**ids, state=DeliveryState.GIVEN_UP, reason="404")
                verdict = Verdict(order=an_order(**ids), transitions=(a_move(**ids),), wanted=(stuck,))
                await store.orders.save(verdict)

    asyncio.run(fill())


NAMES = pytest.mark.parametrize(
    ("name", "key"),
    [("000383", KEYS[0]), ("23273", KEYS[0]), (UUID, KEYS[1]), ("23272", KEYS[2])],
    ids=["zeros", "its task id", "a UUID", "a number"],
)
UNKNOWN = pytest.mark.parametrize("name", ["383", "0383", "x", "9" * 5000, UUID.upper()], ids=lambda n: n[:9])


@NAMES
def test_an_order_is_shown_by_either_id(call: Call, name: str, key: OrderKey) -> None:
    [order] = json.loads(call("status", name, "--json").output)["orders"]
    [move] = json.loads(call("history", name, "--json").output)["transitions"]
    [explained] = json.loads(call("explain", name, "--json").output)["orders"]
    for shown in (order, move, explained):
        assert (shown["order_id"], shown["task_id"]) == key
    assert f"order {key.order_id} " in call("explain", name).output
    assert key.order_id in call("history", name).output


@NAMES
def test_the_deliveries_of_one_order_are_retried_by_either_id(call: Call, name: str, key: OrderKey) -> None:
    for option in ("--order", "--task"):
        assert call("retry", option, name).exit_code == 0
    found = json.loads(call("status", "--json").output)["attention"]
    assert {one["order_id"] for one in found} == {one.order_id for one in KEYS if one != key}


@NAMES
def test_what_one_order_needs_is_acknowledged_by_either_id(call: Call, name: str, key: OrderKey) -> None:
    found = json.loads(call("acknowledge", "--order", name, "--json").output)
    [acknowledged] = next(value for value in found.values() if isinstance(value, list))
    assert (acknowledged["order_id"], acknowledged["task_id"]) == key
    left = json.loads(call("status", "--json").output)["attention"]
    assert {one["order_id"] for one in left} == {one.order_id for one in KEYS if one != key}


@UNKNOWN
@pytest.mark.parametrize("words", [("status",), ("history",), ("explain",), ("retry", "--order")], ids=str)
def test_another_id_is_unknown(call: Call, words: tuple[str, ...], name: str) -> None:
    done = call(*words, name)
    assert done.exit_code == 1
    assert f"order {name} is unknown" in done.stderr
