"""Orders of the v2 API: the list, one order, and what its events say."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from tests.provider.hosts import Host, at
from tests.provider.kit import Desk
from tests.provider.v2.kit import (
    EVENTS,
    ORDER,
    ORDER_ID,
    Api,
    event,
    feature,
    listed,
    paged,
    refused,
)

from orderwatch.core.model import OrderPhase
from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.errors import AnswerError, MissingError
from orderwatch.provider.sanitize import MAX_REASON_CHARS

LIST = "GET /v2/orders/"


async def order(desk: Desk, raw: object, events: object = None) -> OrderSnapshot:
    async with Api({ORDER: raw, EVENTS: events}).open(desk) as tasking:
        return await tasking.order(ORDER_ID)


async def test_an_order_is_read_with_all_its_fields(desk: Desk) -> None:
    raw = feature(priority=3)
    seen = await order(desk, raw)
    assert (seen.order_id, seen.task_id, seen.status, seen.phase) == (
        ORDER_ID,
        347586,
        "in_progress",
        OrderPhase.IN_PROGRESS,
    )
    assert (seen.task_name, seen.project_name, seen.product) == ("harbour 7", "harbours", "TSKPOI-M")
    assert seen.placed_at == datetime(2026, 3, 2, 16, 20, 11, 104512, UTC)
    assert (seen.start, seen.end) == (
        datetime(2026, 3, 2, 19, 48, tzinfo=UTC),
        datetime(2026, 3, 31, 23, 59, tzinfo=UTC),
    )
    assert seen.document["target"] == raw["geometry"]
    assert seen.document["priority"] == 3
    assert seen.document["parameters"] == raw["properties"]["parameters"]


def _row(raw: dict[str, Any]) -> dict[str, Any]:
    """The same order without GeoJSON."""
    return {**raw["properties"], "geometry": raw["geometry"]}


@pytest.mark.parametrize(
    "raw",
    [
        feature(),
        _row(feature()),
        {"feature": feature()},
        {"order": _row(feature())},
        {**feature(), "id": None},
        {"order_id": ORDER_ID, **feature(order_id=None)},
        {**feature(status=None), "state": "in_progress"},
        feature(parameters={"properties": feature()["properties"]["parameters"]}),
    ],
    ids=["feature", "flat", "wrapped", "wrapped flat", "null id", "id beside", "state beside", "nested"],
)
async def test_an_order_is_the_same_however_it_is_nested(desk: Desk, raw: object) -> None:
    seen, usual = await order(desk, raw), await order(desk, feature())
    for name in ("order_id", "task_id", "status", "phase", "task_name", "product", "placed_at", "start"):
        assert getattr(seen, name) == getattr(usual, name), name
    assert seen.document["target"] == usual.document["target"]


@pytest.mark.parametrize("raw", [feature("013164"), feature(None), {}, [], [feature()], "x", None, 7])
async def test_another_object_is_not_taken_for_the_order(desk: Desk, raw: object) -> None:
    with pytest.raises(AnswerError):
        await order(desk, web.json_response(raw))


async def test_an_order_that_is_not_there_is_missing(desk: Desk) -> None:
    async with Api().open(desk) as tasking:
        with pytest.raises(MissingError):
            await tasking.order(ORDER_ID)


@pytest.mark.parametrize("order_id", ["a/b", "a?b=1", "a%2Fb", "../tasks", "ä b"])
async def test_an_id_is_one_segment_of_the_path(desk: Desk, order_id: str) -> None:
    api = Api()
    async with api.open(desk) as tasking:
        with pytest.raises(MissingError):
            await tasking.order(order_id)
    (asked,) = api.asked
    assert asked.startswith("GET /v2/orders/")
    assert asked.count("/") == 3
    assert "?" not in asked


@pytest.mark.parametrize("task_id", [None, "x", -1, [], {}, True, 1.5])
async def test_an_order_without_a_usable_task_id_has_none(desk: Desk, task_id: object) -> None:
    assert (await order(desk, feature(parameters={"task_id": task_id}))).task_id is None


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("received", OrderPhase.RECEIVED),
        ("Submitted", OrderPhase.RECEIVED),
        ("accepted", OrderPhase.RECEIVED),
        ("QUEUED", OrderPhase.RECEIVED),
        ("programming", OrderPhase.IN_PROGRESS),
        ("In Progress", OrderPhase.IN_PROGRESS),
        ("closed", OrderPhase.CLOSED),
        ("cancelled", OrderPhase.CANCELED),
        ("canceled", OrderPhase.CANCELED),
        ("completed", OrderPhase.COMPLETED),
        ("failed", OrderPhase.FAILED),
        ("rejected", OrderPhase.REJECTED),
        ("expired", OrderPhase.EXPIRED),
        ("archived", None),
        ("", None),
    ],
)
async def test_words_of_orders(desk: Desk, word: str, phase: OrderPhase | None) -> None:
    seen = await order(desk, feature(status=word))
    assert (seen.status, seen.phase) == (word, phase)


@pytest.mark.parametrize(
    ("status", "events", "phase"),
    [
        ("in_progress", [event("OrderAnalysisFailed")], OrderPhase.FAILED),
        ("closed", [event("ORDER_ANALYSIS_FAILED")], OrderPhase.FAILED),
        ("closed", [event("OrderCancellationAccepted")], OrderPhase.CANCELED),
        ("in_progress", [event("OrderCancellationRequested")], OrderPhase.IN_PROGRESS),
        ("in_progress", [event("OrderForceClosed")], OrderPhase.IN_PROGRESS),
        ("closed", [event("OrderForceClosed")], OrderPhase.CLOSED),
        ("completed", [event("OrderAnalysisFailed")], OrderPhase.COMPLETED),
        ("in_progress", [event("CaptureFailed")], OrderPhase.IN_PROGRESS),
        ("in_progress", [event("SomethingNew")], OrderPhase.IN_PROGRESS),
        ("mystery", [event("OrderAnalysisFailed")], OrderPhase.FAILED),
        (
            "in_progress",
            [event("OrderAccepted", "2026-03-02T18:00:00Z"), event("OrderAnalysisFailed")],
            OrderPhase.IN_PROGRESS,
        ),
        (
            "in_progress",
            [event("OrderAnalysisFailed", "2026-03-02T18:00:00+03:00"), event("OrderAccepted")],
            OrderPhase.IN_PROGRESS,
        ),
    ],
)
async def test_the_newest_deciding_event_decides(
    desk: Desk, status: str, events: list[object], phase: OrderPhase
) -> None:
    raw = feature(status=status, latest_event=None)
    assert (await order(desk, raw, events)).phase is phase


@pytest.mark.parametrize("envelope", ["results", "items", "features", "events", None])
@pytest.mark.parametrize("nested", [False, True])
async def test_events_come_in_any_envelope(desk: Desk, envelope: str | None, *, nested: bool) -> None:
    row: dict[str, object] = event("OrderForceClosed", message="end of season")
    if nested:
        renamed = {"event_id": "x", "event_type": row["type"], "message": row["message"]}
        row = {"type": "Feature", "geometry": None, "properties": renamed}
    events = {envelope: [row], "next": None} if envelope else [row]
    seen = await order(desk, feature(status="closed"), events)
    assert seen.reason == "OrderForceClosed: end of season"


async def test_the_latest_event_of_a_row_counts_like_the_list_of_events(desk: Desk) -> None:
    latest = event("OrderAnalysisFailed", message="no opportunity")
    api = Api({LIST: [feature(latest_event=latest)]})
    async with api.open(desk) as tasking:
        (seen,) = await listed(tasking)
    assert seen is not None
    assert (seen.phase, seen.reason) == (OrderPhase.FAILED, "OrderAnalysisFailed: no opportunity")


async def test_a_row_of_the_list_agrees_with_what_was_read_of_the_order(desk: Desk) -> None:
    closed = feature(status="closed", latest_event=event("OrderClosed", "2026-03-09T00:00:00Z"))
    events = [event("OrderAnalysisFailed", message="no opportunity"), event("OrderClosed")]
    async with Api({LIST: [closed], ORDER: closed, EVENTS: events}).open(desk) as tasking:
        seen = await tasking.order(ORDER_ID)
        assert await listed(tasking) == [seen]
    assert (seen.phase, seen.reason) == (OrderPhase.FAILED, "OrderAnalysisFailed: no opportunity")


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (None, "OrderAccepted: in the queue"),
        ("clouds", "clouds"),
        ({"outcome": "failed", "detail": ["clouds", "smoke"]}, "outcome: failed; clouds, smoke"),
        ({"token": "canary", "note": "see https://x/?token=canary"}, "token: …; note: see …"),
        ([], "OrderAccepted: in the queue"),
    ],
)
async def test_a_status_report_is_a_reason_in_any_shape(desk: Desk, report: object, reason: str) -> None:
    latest = event("OrderAccepted", message="in the queue")
    assert (await order(desk, feature(status_report=report, latest_event=latest))).reason == reason


async def test_a_reason_is_short_and_in_one_line(desk: Desk) -> None:
    events = [
        event("CaptureFailed", f"2026-03-{day}T00:00:00Z", message=f"{day}\nb" * 500) for day in (11, 12)
    ]
    seen = await order(desk, feature(), events)
    assert seen.reason is not None
    assert len(seen.reason) == MAX_REASON_CHARS
    assert "\n" not in seen.reason


@pytest.mark.parametrize("status", [403, 404, 405, 500])
async def test_an_order_is_read_without_its_events(desk: Desk, status: int) -> None:
    seen = await order(desk, feature(), refused(status))
    assert seen.order_id == ORDER_ID


@pytest.mark.parametrize("envelope", ["features", "results", "items", "orders"])
@pytest.mark.parametrize("honours", [500, 25])
async def test_every_page_is_read_in_any_envelope(desk: Desk, envelope: str, honours: int) -> None:
    rows = [feature(f"{number:06}") for number in range(70)]
    api = Api({LIST: paged(rows, envelope, honours=honours)})
    async with api.open(desk) as tasking:
        found = [seen.order_id for seen in await listed(tasking) if seen]
    assert found == [f"{number:06}" for number in range(70)]
    assert api.asked[0] == "GET /v2/orders/?limit=500&offset=0"
    assert len(api.asked) == (1 if honours == 500 else 3)


@pytest.mark.parametrize("status", [413, 504])
async def test_a_page_that_is_too_large_is_halved_and_remembered(desk: Desk, status: int) -> None:
    rows = [feature(f"{number:06}") for number in range(300)]
    page = paged(rows)

    def reply(request: web.Request) -> web.StreamResponse:
        large = int(request.query["limit"]) > 200
        return web.json_response({}, status=status) if large else page(request)

    api = Api({LIST: reply})
    async with api.open(desk) as tasking:
        assert len(await listed(tasking)) == 300
        api.asked.clear()
        assert len(await listed(tasking)) == 300
    queries = [one.partition("?")[2] for one in api.asked]
    assert queries == ["limit=125&offset=0", "offset=125&limit=125", "offset=250&limit=125"]


async def test_a_list_without_a_limit_gets_one_if_its_pages_are_too_large(desk: Desk) -> None:
    events = [event("CaptureFailed", message=f"{number}") for number in range(3)]
    page = paged(events, "results")

    def reply(request: web.Request) -> web.StreamResponse:
        return page(request) if "limit" in request.query else web.json_response({}, status=413)

    api = Api({ORDER: feature(), EVENTS: reply})
    async with api.open(desk) as tasking:
        assert (await tasking.order(ORDER_ID)).reason is not None
    assert api.asked[1:] == [EVENTS, f"{EVENTS}?limit=250&offset=0"]


async def test_a_bare_list_is_one_page(desk: Desk) -> None:
    async with Api({LIST: [feature("1"), feature("2")]}).open(desk) as tasking:
        assert [seen and seen.order_id for seen in await listed(tasking)] == ["1", "2"]


async def test_a_row_that_moves_to_the_next_page_is_listed_once(desk: Desk) -> None:
    first = {"next": "/v2/orders?offset=2&limit=2", "features": [feature("1"), feature("2")]}
    second = {"next": None, "features": [feature("2"), feature("3")]}
    api = Api({LIST: lambda request: web.json_response(first if request.query["offset"] == "0" else second)})
    async with api.open(desk) as tasking:
        assert [seen and seen.order_id for seen in await listed(tasking)] == ["1", "2", "3"]


async def test_an_empty_page_with_a_next_one_does_not_end_the_list(desk: Desk) -> None:
    pages = {
        "0": {"next": "/v2/orders?offset=25", "features": []},
        "25": {"next": "/v2/orders?offset=50", "features": []},
        "50": {"next": None, "features": [feature("1")]},
    }
    api = Api({LIST: lambda request: web.json_response(pages[request.query["offset"]])})
    async with api.open(desk) as tasking:
        assert [seen and seen.order_id for seen in await listed(tasking)] == ["1"]


async def test_pages_that_stay_empty_end_the_list(desk: Desk) -> None:
    def reply(request: web.Request) -> web.Response:
        after = int(request.query["offset"]) + 25
        return web.json_response({"next": f"/v2/orders?offset={after}", "features": []})

    api = Api({LIST: reply})
    async with api.open(desk) as tasking:
        assert await listed(tasking) == []
    assert len(api.asked) == 4


async def test_archive_orders_are_left_out_of_the_list(desk: Desk) -> None:
    rows = [
        feature("1"),
        feature("2", sku="ARCIMG-M.NN.NN"),
        feature("3", sku="arclgd"),
        feature("4", sku=None),
    ]
    async with Api({LIST: rows}).open(desk) as tasking:
        assert [seen and seen.order_id for seen in await listed(tasking)] == ["1", "4"]


@pytest.mark.parametrize("bad", [{}, "canary", None, 7, [], feature(None), feature(".."), feature(["1"])])
async def test_a_row_that_cannot_be_read_hides_no_other(desk: Desk, bad: object) -> None:
    async with Api({LIST: [feature("1"), bad, bad, feature("3")]}).open(desk) as tasking:
        assert [seen and seen.order_id for seen in await listed(tasking)] == ["1", None, None, "3"]


async def test_ids_keep_their_zeros(desk: Desk) -> None:
    ids = ["000077", "77", "8a1f2c1e-0000-4000-8000-000000000000"]
    async with Api({LIST: [feature(one) for one in ids]}).open(desk) as tasking:
        assert [seen and seen.order_id for seen in await listed(tasking)] == ids


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_to_the_other_form_of_the_path_is_followed(desk: Desk, status: int) -> None:
    def redirect(request: web.Request) -> web.Response:
        location = f"/v2/orders?{request.query_string}"
        return web.Response(status=status, headers={"Location": location})

    api = Api({LIST: redirect, "GET /v2/orders": [feature()]})
    async with api.open(desk) as tasking:
        assert len(await listed(tasking)) == 1


@pytest.mark.parametrize(
    "location", ["https://elsewhere.example/v2/orders", "/v2/captures", "", "http://[", "?x=1"]
)
async def test_no_other_redirect_is_followed(desk: Desk, location: str) -> None:
    api = Api({LIST: lambda _: web.Response(status=302, headers={"Location": location})})
    async with api.open(desk) as tasking:
        with pytest.raises(AnswerError):
            await listed(tasking)
    assert len(api.asked) == (2 if location in {"", "?x=1"} else 1)


async def test_a_document_holds_no_link_and_no_token(desk: Desk) -> None:
    raw = feature(
        preview="https://x/?token=canary", api_key="canary", status_report={"href": "s3://canary/x"}
    )
    assert "canary" not in json.dumps(dict((await order(desk, raw)).document))


async def test_a_probe_reads_two_pages_of_orders(desk: Desk) -> None:
    api = Api({LIST: paged([feature("1"), feature("2"), feature("3")], honours=1)})
    async with Host(api.reply).serving() as url, desk.connect(replace(at(url), api="v2")) as provider:
        await replace(provider, contracts=None).probe()
    assert api.asked == [f"{LIST}?limit=1&offset=0", f"{LIST}?offset=1&limit=1"]
