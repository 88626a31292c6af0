"""Captures and deliverables of v2."""

import hashlib
from typing import Any

import pytest
from tests.simulator.simulator_kit import Http, Start, get, headers
from tests.simulator.v2_kit import CAPTURE, ORDER, ORDERS, OUTCOME, bytes_of, with_capture

from orderwatch.simulator import Scenario, Simulator
from orderwatch.simulator.orders import Capture, Order, Scene
from orderwatch.simulator.v2.settings import V2, Deliverable

CAPTURES, DELIVERABLES = f"{ORDERS}000383/captures", f"{ORDERS}000383/deliverables"


async def test_a_capture_is_shown_in_the_words_of_v2(start: Start, http: Http, hand: list[float]) -> None:
    simulator = await start(Scenario(orders=(ORDER,)))
    good = await headers(http, simulator)
    found = []
    for hand[0] in (0, 1, 2):
        _, page = await get(http, simulator, CAPTURES, good)
        found += page["results"]
    assert [capture["status"] for capture in found] == ["queued", "acquired", "acquired"]
    assert found[0] == {
        "capture_id": OUTCOME,
        "order": "000383",
        "status": "queued",
        "satellite_name": "newsat15",
        "start": "2026-07-14T07:40:42Z",
    }


async def test_a_failed_capture_is_retried(start: Start, http: Http) -> None:
    failed = Capture(status=((0, "planned"), (0, "failed")), reason="Clouds.")
    simulator = await start(Scenario(orders=(Order(task_id=1, captures=(failed, CAPTURE)),)))
    good = await headers(http, simulator)
    _, page = await get(http, simulator, CAPTURES, good)
    assert [capture["status"] for capture in page["results"]] == ["failed", "queued"]
    _, events = await get(http, simulator, f"{ORDERS}000383/events", good)
    (event,) = events["results"]
    assert (event["type"], event["message"]) == ("CaptureFailed", "Clouds.")


async def test_a_deliverable_is_processed_and_then_has_assets(
    start: Start, http: Http, hand: list[float]
) -> None:
    simulator = await start(Scenario(orders=(ORDER,)))
    good = await headers(http, simulator)
    assert (await get(http, simulator, DELIVERABLES, good))[1]["results"] == []
    hand[0] = 1
    (early,) = (await get(http, simulator, DELIVERABLES, good))[1]["results"]
    hand[0] = 2
    (late,) = (await get(http, simulator, DELIVERABLES, good))[1]["results"]
    assert (early["status"], early["assets"]) == ("processing", {})
    assert (late["status"], list(late["assets"])) == (
        "DELIVERED",
        ["visual", "analytic", "preview", "thumbnail"],
    )
    assert early["deliverable_id"] == late["deliverable_id"]
    assert (late["order"], late["capture_id"]) == ("000383", OUTCOME)
    href = late["assets"]["visual"]["href"]
    scene_id = href.split("/deliverables/")[1].split("/")[0]
    assert scene_id.endswith("_SN15_L1D_SR_MS_347586")
    assert "?s=s3://" in href
    assert href.endswith(f"/{scene_id}_visual.tif")


@pytest.mark.parametrize(
    ("envelope", "nested", "has_properties"),
    [
        ("results", None, False),
        ("results", True, True),
        ("items", None, False),
        ("list", None, False),
        ("list", True, True),
        ("features", None, True),
        ("features", False, False),
    ],
)
async def test_lists_come_in_every_envelope(
    start: Start, http: Http, hand: list[float], envelope: str, *, nested: bool | None, has_properties: bool
) -> None:
    v2 = V2.model_validate({"envelope": envelope, "nested": nested})
    simulator = await start(Scenario(orders=(ORDER,), v2=v2))
    hand[0] = 2
    good = await headers(http, simulator)
    for path in (CAPTURES, DELIVERABLES, f"{ORDERS}000383/events", "/v2/captures/", "/v2/deliverables/"):
        _, page = await get(http, simulator, path, good)
        (row,) = page if envelope == "list" else page[envelope]
        assert ("properties" in row) is has_properties


async def test_ids_and_statuses_may_have_other_names(start: Start, http: Http, hand: list[float]) -> None:
    options = V2(other_names=True, capture_prefix="cap.", capture_field="outcome_id")
    simulator = await start(Scenario(orders=(ORDER,), v2=options))
    hand[0] = 2
    good = await headers(http, simulator)
    (capture,) = (await get(http, simulator, CAPTURES, good))[1]["results"]
    (deliverable,) = (await get(http, simulator, DELIVERABLES, good))[1]["results"]
    (event,) = (await get(http, simulator, f"{ORDERS}000383/events", good))[1]["results"]
    assert (capture["id"], capture["state"]) == (f"cap.{OUTCOME}", "acquired")
    assert (deliverable["state"], deliverable["outcome_id"]) == ("DELIVERED", f"cap.{OUTCOME}")
    assert event["event_type"] == "OrderAccepted"


async def test_lists_of_the_whole_contract_are_paged_or_absent(start: Start, http: Http) -> None:
    capture = Capture(status=((0, "published"),), scenes=(Scene(),))
    orders = tuple(Order(task_id=n, captures=(capture,)) for n in (1, 2, 3))
    simulator = await start(Scenario(orders=orders, v2=V2(page_size=2)))
    good = await headers(http, simulator)
    for kind in ("captures", "deliverables"):
        _, first = await get(http, simulator, f"/v2/{kind}/", good)
        assert first["next"] == f"/v2/{kind}?offset=2&limit=2"
        _, second = await get(http, simulator, first["next"], good)
        found = [row["order"] for row in first["results"] + second["results"]]
        assert found == ["000383", "000384", "000385"]
    without = await start(Scenario(orders=orders, v2=V2(contract_wide=False)))
    good = await headers(http, without)
    for kind in ("captures", "deliverables"):
        assert (await get(http, without, f"/v2/{kind}/", good))[0] == 404
    _, page = await get(http, without, DELIVERABLES, good)
    deliverable_id = page["results"][0]["deliverable_id"]
    assert (await get(http, without, f"/v2/deliverables/{deliverable_id}", good))[1] == page["results"][0]
    assert (await get(http, without, "/v2/deliverables/deliv.none", good))[0] == 404


async def test_a_closed_order_may_have_all_a_part_or_nothing_delivered_and_more_later(
    start: Start, http: Http, hand: list[float]
) -> None:
    late = Deliverable(status=((0, "queued"), (9, "delivered")))
    failed = ((0.0, "queued"), (3.0, "failed"))
    lost = Deliverable(processing_level="L1B", status=failed, reason="No calibration.")

    def order(task_id: int, *deliverables: Deliverable) -> Order:
        capture = Capture(status=((0, "captured"), (2, "published")), deliverables=deliverables)
        return Order(task_id=task_id, status=((0, "received"), (4, "completed")), captures=(capture,))

    simulator = await start(
        Scenario(orders=(order(1, Deliverable()), order(2, Deliverable(), lost), order(3), order(4, late)))
    )
    good = await headers(http, simulator)

    async def words() -> list[list[str]]:
        found = []
        for order_id in ("000383", "000384", "000385", "000386"):
            _, page = await get(http, simulator, f"{ORDERS}{order_id}/deliverables", good)
            found.append([row["status"] for row in page["results"]])
        return found

    hand[0] = 5
    _, page = await get(http, simulator, ORDERS, good)
    assert {row["properties"]["status"] for row in page["features"]} == {"closed"}
    assert await words() == [["DELIVERED"], ["DELIVERED", "failed"], [], ["queued"]]
    hand[0] = 9
    assert (await words())[3] == ["delivered"]
    _, events = await get(http, simulator, f"{ORDERS}000384/events", good)
    assert [event["message"] for event in events["results"]] == ["No calibration."]


async def test_assets_of_deliverables_are_what_the_truth_says(
    start: Start, http: Http, hand: list[float]
) -> None:
    keys = ("visual", "delivery_zip", "analytics_vessels")
    simulator = await start(with_capture(deliverables=(Deliverable(assets=keys, size=5000),)))
    hand[0] = 2
    assets, truth = await _assets(http, simulator), await simulator.deliverables_truth()
    good = await headers(http, simulator)
    assert [row["attachment"] for row in truth] == list(keys)
    for row in truth:
        status, data = await bytes_of(http, assets[row["attachment"]]["href"], good)
        assert (status, len(data), hashlib.sha256(data).hexdigest()) == (200, row["size"], row["sha256"])
        assert assets[row["attachment"]]["href"].endswith(row["file_name"])


async def test_a_remade_deliverable_has_other_links_and_bytes(
    start: Start, http: Http, hand: list[float]
) -> None:
    simulator = await start(Scenario(orders=(ORDER,)))
    good = await headers(http, simulator)
    hand[0] = 2
    before = (await _assets(http, simulator))["visual"]["href"]
    _, old = await bytes_of(http, before, good)
    hand[0] = 50
    after = (await _assets(http, simulator))["visual"]["href"]
    status, new = await bytes_of(http, after, good)
    assert (status, before != after, old != new) == (200, True, True)
    assert (await bytes_of(http, before, good))[0] == 404


async def _assets(http: Http, simulator: Simulator) -> dict[str, Any]:
    _, page = await get(http, simulator, DELIVERABLES, await headers(http, simulator))
    assets: dict[str, Any] = page["results"][0]["assets"]
    return assets
