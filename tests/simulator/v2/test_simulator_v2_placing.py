"""New orders, cancellations and opportunities in v2."""

from typing import Any

import aiohttp
import pytest
from tests.simulator.simulator_kit import TASKS, Http, Start, get, headers
from tests.simulator.v2_kit import ORDER, ORDERS, post

from orderwatch.simulator import Scenario, Simulator
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import Account
from orderwatch.simulator.v2.settings import V2

ANALYSIS = "/v2/analysis/opportunities"
RING = [[10.0, 50.0], [10.2, 50.0], [10.2, 50.1], [10.0, 50.1], [10.0, 50.0]]
NEW: dict[str, Any] = {
    "type": "Feature",
    "geometry": {"type": "Polygon", "coordinates": [RING]},
    "properties": {
        "order_name": "fields r001_c002",
        "project_name": "fields",
        "sku": "TSKARE-M",
        "parameters": {
            "start": "2026-12-02T00:00:00Z",
            "end": "2027-01-31T00:00:00Z",
            "min_ona": 0,
            "max_ona": 25,
            "processing_level": "L1D_SR",
            "remapping_mode": "piecewise",
        },
    },
}


def changed(**properties: object) -> dict[str, Any]:
    return NEW | {"properties": NEW["properties"] | properties}


async def names(http: Http, simulator: Simulator, good: dict[str, str]) -> list[str]:
    _, page = await get(http, simulator, ORDERS, good)
    return [row["properties"]["order_name"] for row in page["features"]]


async def test_a_new_order_has_the_next_id_and_a_task(start: Start, http: Http) -> None:
    simulator = await start(Scenario(orders=(ORDER,)))
    good = await headers(http, simulator)
    status, order = await post(http, simulator, ORDERS, NEW, good)
    properties = order["properties"]
    assert (status, properties["order_id"], properties["status"]) == (201, "000384", "received")
    assert properties["parameters"] == NEW["properties"]["parameters"] | {
        "task_id": 347587,
        "min_sun_elevation": None,
        "max_sun_elevation": None,
    }
    _, task = await get(http, simulator, f"{TASKS}347587", good)
    assert (task["task_name"], task["product"]) == ("fields r001_c002", 178)


async def test_a_new_order_may_lack_a_task(start: Start, http: Http) -> None:
    simulator = await start(Scenario(v2=V2(task_after=float("inf"))))
    good = await headers(http, simulator)
    _, order = await post(http, simulator, ORDERS, NEW, good)
    assert "task_id" not in order["properties"]["parameters"]
    assert (await get(http, simulator, TASKS, good))[1]["count"] == 0


async def test_a_name_may_repeat(start: Start, http: Http) -> None:
    simulator = await start(Scenario())
    good = await headers(http, simulator)
    for _ in range(2):
        assert (await post(http, simulator, ORDERS, NEW, good))[0] == 201
    assert await names(http, simulator, good) == ["fields r001_c002"] * 2


@pytest.mark.parametrize("created", ["wrapped", "no_id", "empty"])
async def test_the_answer_to_a_new_order_may_be_odd(start: Start, http: Http, created: str) -> None:
    simulator = await start(Scenario(v2=V2.model_validate({"created": created})))
    good = await headers(http, simulator)
    status, answer = await post(http, simulator, ORDERS, NEW, good)
    assert status == 201
    match created:
        case "wrapped":
            assert answer["feature"]["properties"]["order_id"] == "000383"
        case "no_id":
            assert "order_id" not in answer["properties"]
        case "empty":
            assert answer is None
    assert await names(http, simulator, good) == ["fields r001_c002"]


async def test_an_order_is_made_although_its_answer_is_lost(start: Start, http: Http) -> None:
    simulator = await start(Scenario(faults=(Fault(on="v2_place", kind="reset", late=True),)))
    good = await headers(http, simulator)
    with pytest.raises(aiohttp.ClientError):
        await post(http, simulator, ORDERS, NEW, good)
    assert await names(http, simulator, good) == ["fields r001_c002"]


@pytest.mark.parametrize(
    "body",
    [
        {"type": "FeatureCollection", "features": [NEW]},
        changed(sku="TSKXYZ-M"),
        changed(sku="TSKPOI-M"),
        changed(parameters={}),
        changed(order_name=None),
        NEW | {"geometry": {"type": "MultiPolygon", "coordinates": [[RING]]}},
    ],
)
async def test_what_makes_no_sense_is_not_made(start: Start, http: Http, body: object) -> None:
    simulator = await start(Scenario())
    good = await headers(http, simulator)
    for path in (ORDERS, ANALYSIS):
        assert (await post(http, simulator, path, body, good))[0] == 422
    assert await names(http, simulator, good) == []


async def test_new_orders_need_the_exact_path_and_the_scope(start: Start, http: Http) -> None:
    simulator = await start(Scenario())
    good = await headers(http, simulator)
    async with http.post(f"{simulator.api_url}/v2/orders", json=NEW, headers=good) as answer:
        assert answer.status == 405
    reader = await start(Scenario(accounts=(Account(may_task=False),), orders=(ORDER,)))
    good = await headers(http, reader)
    assert (await post(http, reader, ORDERS, NEW, good))[0] == 403
    async with http.delete(f"{reader.api_url}{ORDERS}000383", headers=good) as answer:
        assert answer.status == 403


async def _cancel(http: Http, simulator: Simulator, good: dict[str, str]) -> int:
    async with http.delete(f"{simulator.api_url}{ORDERS}000383", headers=good) as answer:
        return answer.status


async def _look(http: Http, simulator: Simulator, good: dict[str, str]) -> tuple[str, list[str]]:
    _, order = await get(http, simulator, f"{ORDERS}000383", good)
    _, events = await get(http, simulator, f"{ORDERS}000383/events", good)
    return order["properties"]["status"], [event["type"] for event in events["results"]]


async def test_a_cancellation_is_requested_then_accepted_and_flaps(
    start: Start, http: Http, hand: list[float]
) -> None:
    simulator = await start(Scenario(orders=(ORDER,), v2=V2(cancel_after=1, cancel_flap=(60, 300))))
    good = await headers(http, simulator)
    hand[0] = 1.5
    assert await _cancel(http, simulator, good) == 202
    requested = ["OrderAccepted", "OrderCancellationRequested"]
    assert await _look(http, simulator, good) == ("in_progress", requested)
    hand[0] = 2.5
    accepted = [*requested, "OrderCancellationAccepted"]
    assert await _look(http, simulator, good) == ("canceled", accepted)
    hand[0] = 100
    assert await _look(http, simulator, good) == ("in_progress", accepted)
    assert (await get(http, simulator, f"{TASKS}347586", good))[1]["status"] == "canceled"
    hand[0] = 400
    assert await _look(http, simulator, good) == ("canceled", accepted)


async def test_a_cancellation_is_refused_by_an_event(start: Start, http: Http, hand: list[float]) -> None:
    simulator = await start(Scenario(orders=(ORDER,), v2=V2(cancel="refused", cancel_body=False)))
    good = await headers(http, simulator)
    assert await _cancel(http, simulator, good) == 204
    hand[0] = 2.5
    status, events = await _look(http, simulator, good)
    assert (status, events[-1]) == ("in_progress", "OrderCancellationRefused")


async def test_a_cancellation_that_comes_too_late_is_refused(
    start: Start, http: Http, hand: list[float]
) -> None:
    simulator = await start(Scenario(orders=(ORDER,)))
    good = await headers(http, simulator)
    hand[0] = 2
    assert await _cancel(http, simulator, good) == 202
    hand[0] = 4
    status, events = await _look(http, simulator, good)
    assert (status, events[-1]) == ("closed", "OrderCancellationRefused")


async def test_some_ways_to_cancel_are_forbidden(start: Start, http: Http) -> None:
    simulator = await start(Scenario(orders=(ORDER,), v2=V2(cancel="forbidden")))
    good = await headers(http, simulator)
    assert await _cancel(http, simulator, good) == 403
    assert (await post(http, simulator, f"{ORDERS}000383/cancel", {}, good))[0] == 403
    async with http.patch(f"{simulator.api_url}{TASKS}347586/cancel/", json={}, headers=good) as answer:
        assert (answer.status, (await answer.json())["status"]) == (200, "canceled")
    assert (await _look(http, simulator, good)) == ("canceled", ["OrderCancellationAccepted"])


async def test_opportunities_are_pending_then_there_and_kept_for_a_day(
    start: Start, http: Http, hand: list[float]
) -> None:
    simulator = await start(Scenario(token_life=1e6))
    good = await headers(http, simulator)
    status, answer = await post(http, simulator, ANALYSIS, NEW, good)
    assert (status, answer["status"]) == (201, "PENDING")
    path, found = f"{ANALYSIS}/{answer['analysis_id']}", []
    for hand[0] in (1, 2, 86_400):
        status, answer = await get(http, simulator, path, good)
        found.append((status, answer.get("status")))
    assert found == [(200, "PENDING"), (200, "SUCCESS"), (404, None)]
    assert await names(http, simulator, good) == []
