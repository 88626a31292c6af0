"""Placing and cancelling orders of v2: exactly one, whatever becomes of the answer."""

from typing import Any

import pytest
from tests.app.app_rig import Rig, Rigged
from tests.app.daemon.test_app_standing_orders import declare
from tests.app.ordering_kit import complaints, file_of, order_toml
from tests.app.v2.v2_kit import NEVER, by_name, machine
from tests.databases import new_database

from orderwatch.simulator.journal import Entry

ORDER = order_toml().replace("product = 169", 'sku = "TSKPOI-M"')


async def desk(rigged: Rigged, **scenario: Any) -> Rig:  # noqa: ANN401 - fields of a scenario
    rig = await machine(rigged, watch='task_name = "of nobody"', **scenario)
    new_database(rig.database.parent)
    return rig


def placed(rig: Rig) -> list[Entry]:
    return rig.simulator.journal.find(method="POST", path="/v2/orders/")


def names(rig: Rig) -> list[str]:
    return [order.task_name for order in rig.simulator.world.scenario.orders]


async def test_check_shows_the_analysis_and_places_nothing(rigged: Rigged) -> None:
    rig = await desk(rigged, v2={"analysis_after": 0})
    ended = await rig.call("place", file_of(rig, ORDER), "--check")
    assert (ended.code, ended.out.splitlines()[-1]) == (1, "nothing was ordered")
    assert '"Quay 5" is not feasible' in ended.out
    assert placed(rig) == []


@pytest.mark.parametrize("created", ["feature", "wrapped", "no_id", "empty"])
async def test_an_order_is_placed_once_whatever_the_answer(rigged: Rigged, created: str) -> None:
    rig = await desk(rigged, v2={"created": created})
    await rig.call("place", file_of(rig, ORDER), "--yes")
    again = await rig.call("place", file_of(rig, ORDER), "--yes", "--resume")
    assert (again.code, names(rig), len(placed(rig))) == (0, ["Quay 5"], 1)
    order = (await by_name(rig))["Quay 5"]
    assert order["order_id"] == "000383"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset", "late": True},
        {"kind": "status", "code": 502, "late": True},
        {"kind": "html_error", "code": 502, "late": True},
        pytest.param({"kind": "status", "code": 429}, marks=pytest.mark.long),  # waits for a minute
        {"kind": "malformed", "late": True},
    ],
)
async def test_a_lost_answer_is_no_second_order(rigged: Rigged, fault: dict[str, object]) -> None:
    rig = await desk(rigged, faults=({"on": "v2_place", **fault},))
    first = await rig.call("place", file_of(rig, ORDER), "--yes")
    again = await rig.call("place", file_of(rig, ORDER), "--yes", "--resume")
    assert (again.code, names(rig)) == (0, ["Quay 5"])
    assert first.code == (1 if fault.get("code") == 429 else 0)


async def test_another_order_of_the_same_name_is_not_taken_for_it(rigged: Rigged) -> None:
    elsewhere = {"type": "Point", "coordinates": [5.0, 52.0]}
    other = {"task_id": 7, "task_name": "Quay 5", "project_name": "Harbour east", "target": elsewhere}
    rig = await desk(rigged, orders=(other,), v2={"created": "no_id"})
    ended = await rig.call("place", file_of(rig, ORDER), "--yes")
    assert ended.code == 0
    assert '"Quay 5" is placed, as order 000384' in ended.out
    assert names(rig) == ["Quay 5", "Quay 5"]


async def test_a_duplicate_that_is_wanted_is_found_beside_the_first(rigged: Rigged) -> None:
    rig = await desk(rigged, faults=({"on": "v2_place", "kind": "reset", "late": True, "after": 1},))
    assert (await rig.call("place", file_of(rig, ORDER), "--yes")).code == 0
    again = await rig.call("place", file_of(rig, ORDER), "--yes", "--again")
    assert '"Quay 5" is placed, as order 000384' in again.out
    assert names(rig) == ["Quay 5", "Quay 5"]


@pytest.mark.parametrize("task_appears", [-1, NEVER])
async def test_an_order_is_cancelled_by_either_way(rigged: Rigged, task_appears: float) -> None:
    order = {"task_id": 7, "task_name": "Quay", "task_appears": task_appears}
    rig = await desk(rigged, orders=(order,), v2={"cancel_after": 0})
    rig.configure('task_name = "*"')
    assert (await rig.call("once")).code == 0
    ended = await rig.call("cancel", "000383", "--yes")
    assert ended.code == 0
    assert (await by_name(rig))["Quay"]["status"] == "canceled"


@pytest.mark.parametrize(
    ("cancel", "code", "told"),
    [
        ("refused", 0, "its status is received: OrderCancellationRequested; OrderCancellationRefused"),
        ("forbidden", 1, "refuses this way to cancel an order"),
    ],
)
async def test_a_refused_cancellation_is_told(rigged: Rigged, cancel: str, code: int, told: str) -> None:
    order = {"task_id": 7, "task_name": "Quay", "task_appears": NEVER}
    rig = await desk(rigged, orders=(order,), v2={"cancel_after": 0, "cancel": cancel})
    ended = await rig.call("cancel", "000383", "--yes")
    assert ended.code == code
    assert told in ended.out + ended.err
    assert "is canceled" not in ended.out


async def test_a_standing_order_is_placed_once_and_watched(rigged: Rigged) -> None:
    rig = await desk(rigged, v2={"created": "no_id"})
    declare(rig, ORDER)
    for _ in range(2):
        ended = await rig.call("once")
        assert (ended.code, complaints(ended)) == (0, [])
    assert (names(rig), len(placed(rig))) == (["Quay 5"], 1)
    assert (await by_name(rig))["Quay 5"]["order_id"] == "000383"


async def test_an_order_with_a_product_of_v1_is_refused_before_it_is_sent(rigged: Rigged) -> None:
    rig = await desk(rigged)
    ended = await rig.call("place", file_of(rig, order_toml()), "--yes")
    assert ended.code != 0
    assert "sku" in ended.err
    assert placed(rig) == []
