"""Orders of v2: the same as in v1, with other ids, words and pages."""

from typing import Any

import pytest
from tests.simulator.simulator_kit import TASKS, Http, Start, get, headers
from tests.simulator.v2_kit import ORDER, ORDERS

from orderwatch.simulator import Scenario, Simulator
from orderwatch.simulator.faults import Fault, Match
from orderwatch.simulator.orders import Order
from orderwatch.simulator.scenario import Account, Contract
from orderwatch.simulator.v2.settings import V2, Event

OTHER = "cont.00000000-0000-0000-0000-000000000002"


def many(count: int, **options: Any) -> Scenario:  # noqa: ANN401 - the options as they are
    orders = tuple(Order(task_id=n, created=float(n)) for n in range(1, count + 1))
    return Scenario(orders=orders, v2=V2(**options))


async def pages(http: Http, simulator: Simulator, good: dict[str, str], path: str) -> list[list[str]]:
    """Return the ids of the orders of each page."""
    found, follows = [], path
    while follows:
        _, page = await get(http, simulator, follows, good)
        found.append([row["properties"]["order_id"] for row in page["features"]])
        follows = page["next"]
    return found


async def test_an_order_has_the_fields_that_were_seen(start: Start, http: Http) -> None:
    simulator = await start(Scenario(orders=(ORDER,)))
    status, order = await get(http, simulator, f"{ORDERS}000383", await headers(http, simulator))
    assert (status, order["type"], "id" in order) == (200, "Feature", False)
    assert order["geometry"]["coordinates"] == [4.0333, 51.9555, 664.040039062]
    assert list(order["properties"]) == [
        "order_id", "order_name", "contract_id", "contract_name", "project_id", "project_name", "sku",
        "product_name", "status", "status_report", "latest_event", "created_at", "updated_at", "parameters",
    ]  # fmt: skip
    assert order["properties"]["created_at"] == "2026-07-14T07:40:41.000000"
    assert order["properties"]["parameters"]["task_id"] == 347586


async def test_v1_and_v2_show_the_same_orders(start: Start, http: Http) -> None:
    archive = Order(task_id=2, sku="ARCIMG-M.NN.NN", parameters={"outcome_id": "an-outcome"})
    late = Order(task_id=3, task_appears=10)
    simulator = await start(Scenario(orders=(ORDER, archive, late, Order(task_id=4, order_id="000077"))))
    good = await headers(http, simulator)
    _, tasks = await get(http, simulator, TASKS, good)
    _, page = await get(http, simulator, ORDERS, good)
    rows = [feature["properties"] for feature in page["features"]]
    assert [task["task_id"] for task in tasks["results"]] == [347586, 4]
    assert [(row["order_id"], row["parameters"].get("task_id")) for row in rows] == [
        ("000383", 347586), ("000384", None), ("000385", None), ("000077", 4),
    ]  # fmt: skip
    assert rows[1]["sku"] == "ARCIMG-M.NN.NN"
    assert rows[1]["parameters"] == {"processing_level": "L1D_SR", "outcome_id": "an-outcome"}


async def test_an_order_gets_its_task_later(start: Start, http: Http, hand: list[float]) -> None:
    simulator = await start(Scenario(orders=(Order(task_id=3, task_appears=10),)))
    good = await headers(http, simulator)
    assert (await get(http, simulator, f"{TASKS}3", good))[0] == 404
    hand[0] = 10
    assert (await get(http, simulator, f"{TASKS}3", good))[0] == 200
    _, order = await get(http, simulator, f"{ORDERS}000383", good)
    assert order["properties"]["parameters"]["task_id"] == 3


async def test_next_is_relative_and_has_no_slash_before_the_query(start: Start, http: Http) -> None:
    simulator = await start(many(60))
    good = await headers(http, simulator)
    _, page = await get(http, simulator, ORDERS, good)
    assert (page["type"], page["count"], len(page["features"])) == ("FeatureCollection", 60, 25)
    assert (page["next"], page["previous"]) == ("/v2/orders?offset=25&limit=25", None)
    found = await pages(http, simulator, good, ORDERS)
    assert [len(rows) for rows in found] == [25, 25, 10]
    assert len({order_id for rows in found for order_id in rows}) == 60


async def test_a_page_has_at_most_five_hundred_orders(start: Start, http: Http) -> None:
    simulator = await start(many(502, next="absolute"))
    _, page = await get(http, simulator, f"{ORDERS}?limit=501", await headers(http, simulator))
    assert len(page["features"]) == 500
    assert page["next"] == f"{simulator.api_url}/v2/orders?offset=500&limit=500"


async def test_a_list_that_grows_while_it_is_read_repeats_orders(start: Start, http: Http) -> None:
    simulator = await start(many(6, newest_first=True, grows=2, page_size=2))
    good = await headers(http, simulator)
    assert await pages(http, simulator, good, ORDERS) == [
        ["000386", "000385"], ["000385", "000384"], ["000384", "000383"],
    ]  # fmt: skip
    assert (await pages(http, simulator, good, ORDERS))[0] == ["000388", "000387"]


async def test_v2_may_be_later_than_v1_and_its_list_later_still(
    start: Start, http: Http, hand: list[float]
) -> None:
    simulator = await start(Scenario(orders=(ORDER,), v2=V2(lag=10, list_lag=5)))
    good = await headers(http, simulator)

    async def words() -> tuple[str, str, str]:
        _, task = await get(http, simulator, f"{TASKS}347586", good)
        _, order = await get(http, simulator, f"{ORDERS}000383", good)
        _, page = await get(http, simulator, ORDERS, good)
        single, listed = (row["properties"]["status"] for row in (order, page["features"][0]))
        return task["status"], single, listed

    hand[0] = 12.5
    assert await words() == ("completed", "in_progress", "received")
    hand[0] = 18
    assert await words() == ("completed", "closed", "closed")


@pytest.mark.parametrize(("letters", "word"), [("as_is", "Paused"), ("upper", "PAUSED"), ("lower", "paused")])
async def test_words_may_be_unknown_and_in_any_letters(
    start: Start, http: Http, letters: str, word: str
) -> None:
    order = ORDER.model_copy(update={"v2_status": ((0.0, "Paused"),)})
    simulator = await start(Scenario(orders=(order,), v2=V2.model_validate({"letters": letters})))
    _, found = await get(http, simulator, f"{ORDERS}000383", await headers(http, simulator))
    assert found["properties"]["status"] == word


@pytest.mark.parametrize(("honoured", "count"), [(True, 1), (False, 2)])
async def test_a_query_selects_by_name_unless_it_is_ignored(
    start: Start, http: Http, *, honoured: bool, count: int
) -> None:
    simulator = await start(Scenario(orders=(ORDER, Order(task_id=8)), v2=V2(query=honoured)))
    _, page = await get(http, simulator, f"{ORDERS}?query=Quay", await headers(http, simulator))
    assert len(page["features"]) == page["count"] == count


async def test_a_failed_order_has_its_reason_in_an_event(start: Start, http: Http) -> None:
    failed = Order(task_id=1, status=((0, "received"), (0, "rejected")), reason="Too cloudy.")
    own = (Event(type="OrderPondered"), Event(at=9, type="OrderForgotten"))
    simulator = await start(Scenario(orders=(failed, Order(task_id=2, events=own))))
    good = await headers(http, simulator)
    _, order = await get(http, simulator, f"{ORDERS}000383", good)
    _, events = await get(http, simulator, f"{ORDERS}000383/events", good)
    (event,) = events["results"]
    assert order["properties"]["status"] == "closed"
    assert order["properties"]["latest_event"] == event
    assert (event["type"], event["message"]) == ("OrderAnalysisFailed", "Too cloudy.")
    assert event["timestamp"] == "2026-07-14T07:40:41+00:00"
    _, others = await get(http, simulator, f"{ORDERS}000384/events", good)
    assert [event["type"] for event in others["results"]] == ["OrderPondered"]


async def test_what_the_real_one_refuses_is_refused(start: Start, http: Http, hand: list[float]) -> None:
    account = Account(contracts=(Contract(), Contract(contract_id=OTHER)))
    simulator = await start(Scenario(accounts=(account,), orders=(ORDER,), token_life=100))
    good = await headers(http, simulator)
    contract = {"X-Satellogic-Contract-Id": good["X-Satellogic-Contract-Id"]}
    bare = {"authorizationToken": good["authorizationToken"]}
    for wrong in ({}, contract, good | {"authorizationToken": "Bearer x"}):
        assert await get(http, simulator, ORDERS, wrong) == (401, {"message": "Unauthorized"})
    for wrong in (bare, bare | {"X-Satellogic-Contract-Id": "cont.wrong"}):
        status, answer = await get(http, simulator, ORDERS, wrong)
        assert (status, "contract" in answer["message"]) == (401, True)
    other = bare | {"X-Satellogic-Contract-Id": OTHER}
    assert (await get(http, simulator, f"{ORDERS}000383", other))[0] == 404
    assert (await get(http, simulator, f"{ORDERS}383", good))[0] == 404
    assert (await get(http, simulator, ORDERS, good))[0] == 200
    hand[0] = 100
    assert await get(http, simulator, ORDERS, good) == (401, {"message": "Unauthorized"})


async def test_faults_hit_orders_by_their_id(start: Start, http: Http) -> None:
    busy = Fault.model_validate(
        {"on": "v2_order", "kind": "status", "code": 429, "retry_after": 7, "match": {"order_id": "000384"}}
    )
    broken = Fault(on="v2_orders", kind="html_error", code=502)
    simulator = await start(Scenario(orders=(ORDER, Order(task_id=8)), faults=(busy, broken)))
    good = await headers(http, simulator)
    assert (await get(http, simulator, f"{ORDERS}000383", good))[0] == 200
    async with http.get(f"{simulator.api_url}{ORDERS}000384", headers=good) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    async with http.get(f"{simulator.api_url}{ORDERS}", headers=good) as answer:
        assert (answer.status, answer.content_type) == (502, "text/html")


async def test_a_fault_of_a_task_hits_its_order_in_v2(start: Start, http: Http) -> None:
    fault = Fault(on="v2_events", kind="status", code=500, match=Match(task_id=8))
    simulator = await start(Scenario(orders=(ORDER, Order(task_id=8)), faults=(fault,)))
    good = await headers(http, simulator)
    statuses = [(await get(http, simulator, f"{ORDERS}{n}/events", good))[0] for n in ("000383", "000384")]
    assert statuses == [200, 500]


async def test_lies_are_told_of_features_too(start: Start, http: Http) -> None:
    kinds = ("page_loop", "foreign_next", "inner_next", "endless_next", "bare", "doubled", "vanished")
    faults = tuple(Fault.model_validate({"on": "v2_orders", "kind": kind}) for kind in kinds)
    simulator = await start(many(30).model_copy(update={"faults": faults}))
    good = await headers(http, simulator)
    found = [(await get(http, simulator, ORDERS, good))[1] for _ in kinds]
    loop, foreign, inner, endless, bare, doubled, vanished = found
    assert loop["next"] == f"{simulator.api_url}{ORDERS}"
    assert foreign["next"].startswith(simulator.download_url)
    assert inner["next"] == "http://tasking.internal:8000/v2/orders?offset=25&limit=25"
    assert endless["next"].startswith(simulator.api_url)
    assert bare["features"][0]["properties"]["order_id"] == "000383"
    assert bare["features"][0]["properties"]["order_name"] is None
    assert (len(doubled["features"]), vanished["features"]) == (50, [])


@pytest.mark.parametrize("api", ["tasking", "telluric", "v2", "archive"])
async def test_an_api_that_is_gone_answers_404(start: Start, http: Http, api: str) -> None:
    simulator = await start(Scenario.model_validate({"gone": [api]}))
    good = await headers(http, simulator)
    paths = {
        "tasking": TASKS,
        "telluric": "/telluric/scenes/",
        "v2": ORDERS,
        "archive": "/archive/stac/collections",
    }
    for name, path in paths.items():
        assert (await get(http, simulator, path, good))[0] == (404 if name == api else 200)
