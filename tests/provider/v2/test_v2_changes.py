"""Placing and cancelling over the v2 API: one request, and an honest answer on whether it was done."""

from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from tests.provider.hosts import Host, at, give_token, saying
from tests.provider.kit import Desk
from tests.provider.v2.kit import EVENTS, ORDER, ORDER_ID, Api, feature, refused

from orderwatch.core.model import OrderPhase
from orderwatch.errors import (
    MissingError,
    ProviderError,
    RefusedError,
    RejectedError,
    UnavailableError,
    UnclearError,
)

BODY: dict[str, object] = {
    "task_name": "fields r001_c002",
    "project_name": "fields",
    "sku": "TSKARE-M",
    "target": {
        "type": "Polygon",
        "coordinates": [[[10.0, 50.0], [10.2, 50.0], [10.2, 50.1], [10.0, 50.1], [10.0, 50.0]]],
    },
    "start": "2026-12-02T00:00:00Z",
    "end": "2027-01-31T00:00:00Z",
    "min_off_nadir": 0,
    "max_off_nadir": 25,
    "min_sun_elevation": 10,
    "max_sun_elevation": 90,
    "processing_level": "L1D_SR",
    "remapping_mode": "piecewise",
    "remapping_period": "P7D",
}
PLACE = "POST /v2/orders/"
TASK = "PATCH /tasking/tasks/347586/cancel/"
DELETE = f"DELETE /v2/orders/{ORDER_ID}"
NEW = feature("013164", status="received", latest_event=None)


async def test_an_order_is_sent_as_the_provider_documents_it(desk: Desk) -> None:
    api = Api({PLACE: NEW})
    async with api.open(desk) as tasking:
        placed = await tasking.place(BODY)
    assert (placed.order_id, placed.phase) == ("013164", OrderPhase.RECEIVED)
    ((_, sent),) = api.sent
    assert sent == {
        "type": "Feature",
        "geometry": BODY["target"],
        "properties": {
            "order_name": "fields r001_c002",
            "project_name": "fields",
            "sku": "TSKARE-M",
            "parameters": {
                "start": "2026-12-02T00:00:00Z",
                "end": "2027-01-31T00:00:00Z",
                "min_ona": 0,
                "max_ona": 25,
                "min_sun_elevation": 10,
                "max_sun_elevation": 90,
                "processing_level": "L1D_SR",
                "remapping_mode": "piecewise",
                "remapping_period": "P7D",
            },
        },
    }


async def test_nothing_is_sent_that_was_not_requested(desk: Desk) -> None:
    point = {key: BODY[key] for key in ("task_name", "project_name", "sku", "start", "end")}
    api = Api({PLACE: NEW})
    async with api.open(desk) as tasking:
        target = {"type": "Point", "coordinates": [4.0, 51.0]}
        await tasking.place({**point, "target": target, "revisit_period": "P3D"})
    ((_, sent),) = api.sent
    assert sent["properties"]["parameters"] == {
        "start": "2026-12-02T00:00:00Z",
        "end": "2027-01-31T00:00:00Z",
        "revisit_period": "P3D",
    }


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("raw", [NEW, {"feature": NEW}, NEW["properties"], {"order": NEW["properties"]}])
async def test_any_answer_with_the_order_is_yes(desk: Desk, raw: object, status: int) -> None:
    async with Api({PLACE: lambda _: web.json_response(raw, status=status)}).open(desk) as tasking:
        assert (await tasking.place(BODY)).order_id == "013164"


@pytest.mark.parametrize(
    "body",
    ["", "{}", "[]", "null", "<html>", '{"feature": {}}', '{"id": "013164"}', '{"properties": {}}', "{"],
)
@pytest.mark.parametrize("status", [200, 201, 204])
async def test_an_answer_without_the_order_is_unclear(desk: Desk, body: str, status: int) -> None:
    api = Api({PLACE: lambda _: web.Response(text=None if status == 204 else body, status=status)})
    async with api.open(desk) as tasking:
        with pytest.raises(UnclearError):
            await tasking.place(BODY)
    assert len(api.sent) == 1


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 301, 302, 307, 308])
async def test_what_may_have_been_placed_is_unclear_and_not_sent_again(desk: Desk, status: int) -> None:
    def reply(_: web.Request) -> web.Response:
        return web.json_response({"message": "busy"}, status=status, headers={"Location": "/v2/orders"})

    api = Api({PLACE: reply, "POST /v2/orders": NEW})
    async with api.open(desk) as tasking:
        with pytest.raises(UnclearError):
            await tasking.place(BODY)
    assert [name for name, _ in api.sent] == [PLACE]


@pytest.mark.parametrize("status", [400, 402, 404, 405, 410, 413, 415, 422, 451])
async def test_what_the_provider_rejects_was_not_placed(desk: Desk, status: int) -> None:
    api = Api({PLACE: refused(status, detail=[{"msg": "sku: unknown"}])})
    async with api.open(desk) as tasking:
        with pytest.raises(RejectedError, match="sku: unknown"):
            await tasking.place(BODY)
    assert len(api.sent) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_place_nothing(desk: Desk, status: int) -> None:
    api = Api({PLACE: refused(status)})
    async with api.open(desk) as tasking:
        with pytest.raises(RefusedError):
            await tasking.place(BODY)


async def test_an_order_with_a_product_of_v1_is_not_sent(desk: Desk) -> None:
    api = Api({PLACE: NEW})
    body = {key: value for key, value in BODY.items() if key != "sku"} | {"product": 169}
    async with api.open(desk) as tasking:
        with pytest.raises(RejectedError, match="sku"):
            await tasking.place(body)
    assert api.sent == []


async def test_a_lost_answer_is_unclear(desk: Desk) -> None:
    async with (
        Host(give_token).serving() as tokens,
        saying(b"") as url,
        desk.connect(replace(at(url, f"{tokens}/oauth/token"), api="v2")) as provider,
    ):
        with pytest.raises(UnclearError):
            await provider.tasking.place(BODY)


def orders(*answers: object) -> dict[str, Any]:
    """The order at each look; the last one stays."""
    left = [*answers]
    return {ORDER: lambda _: web.json_response(left.pop(0) if len(left) > 1 else left[0]), EVENTS: []}


OPEN, GONE = feature(), feature(status="canceled")
NO_TASK = feature(parameters={}), feature(parameters={}, status="canceled")


async def test_an_order_that_is_a_task_is_cancelled_as_one(desk: Desk) -> None:
    api = Api(orders(OPEN, GONE) | {TASK: {"task_id": 347586, "status": "canceled"}, DELETE: {}})
    async with api.open(desk) as tasking:
        assert (await tasking.cancel(ORDER_ID)).phase is OrderPhase.CANCELED
    assert api.sent == [(TASK, {})]


@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("body", ["", "{}", '{"status": "cancellation_requested"}', "<html>"])
async def test_another_order_is_deleted_without_a_body(desk: Desk, status: int, body: str) -> None:
    reply = web.Response(text=None if status == 204 else body, status=status)
    api = Api(orders(*NO_TASK) | {DELETE: reply})
    async with api.open(desk) as tasking:
        assert (await tasking.cancel(ORDER_ID)).phase is OrderPhase.CANCELED
    assert api.sent == [(DELETE, None)]


async def test_requested_is_not_cancelled(desk: Desk) -> None:
    api = Api(orders(NO_TASK[0]) | {DELETE: {"status": "canceled"}})
    async with api.open(desk) as tasking:
        assert (await tasking.cancel(ORDER_ID)).phase is OrderPhase.IN_PROGRESS


@pytest.mark.parametrize("status", [403, 404, 405, 410])
async def test_the_order_is_deleted_if_v1_does_not_cancel_its_task(desk: Desk, status: int) -> None:
    api = Api(orders(OPEN, GONE) | {TASK: refused(status), DELETE: {}})
    async with api.open(desk) as tasking:
        assert (await tasking.cancel(ORDER_ID)).phase is OrderPhase.CANCELED
    assert [name for name, _ in api.sent] == [TASK, DELETE]


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_a_reason_of_v1_is_final(desk: Desk, status: int) -> None:
    api = Api(orders(OPEN) | {TASK: refused(status, detail="too late"), DELETE: {}})
    async with api.open(desk) as tasking:
        with pytest.raises(RejectedError, match="too late"):
            await tasking.cancel(ORDER_ID)
    assert [name for name, _ in api.sent] == [TASK]


@pytest.mark.parametrize("status", [403, 404, 405, 410])
@pytest.mark.parametrize("raw", [OPEN, NO_TASK[0]])
async def test_a_refused_way_is_named(desk: Desk, raw: object, status: int) -> None:
    api = Api(orders(raw) | {TASK: refused(status), DELETE: refused(status, message="Forbidden here")})
    async with api.open(desk) as tasking:
        with pytest.raises(RejectedError, match=f"refuses this way.*{status}.*Forbidden here"):
            await tasking.cancel(ORDER_ID)


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_the_reason_of_a_rejected_cancellation_is_quoted(desk: Desk, status: int) -> None:
    api = Api(orders(NO_TASK[0]) | {DELETE: refused(status, detail="already closed")})
    async with api.open(desk) as tasking:
        with pytest.raises(RejectedError, match=f"{status}: already closed"):
            await tasking.cancel(ORDER_ID)


@pytest.mark.parametrize("status", [408, 500, 502, 504])
@pytest.mark.parametrize("raw", [OPEN, NO_TASK[0]])
async def test_a_cancellation_with_a_lost_answer_is_unclear(desk: Desk, raw: object, status: int) -> None:
    api = Api(orders(raw) | {TASK: refused(status), DELETE: refused(status)})
    async with api.open(desk) as tasking:
        with pytest.raises(UnclearError):
            await tasking.cancel(ORDER_ID)
    assert len(api.sent) == 1


async def test_a_cancellation_at_a_busy_provider_was_not_requested(desk: Desk) -> None:
    async with Api(orders(NO_TASK[0]) | {DELETE: refused(429)}).open(desk) as tasking:
        with pytest.raises(UnavailableError):
            await tasking.cancel(ORDER_ID)


@pytest.mark.parametrize("after", [404, 500])
async def test_it_is_unclear_if_the_order_cannot_be_read_afterwards(desk: Desk, after: int) -> None:
    looks = iter([web.json_response(NO_TASK[0])])
    api = Api({ORDER: lambda _: next(looks, None) or web.json_response({}, status=after), DELETE: {}})
    async with api.open(desk) as tasking:
        with pytest.raises(UnclearError, match="was requested"):
            await tasking.cancel(ORDER_ID)


@pytest.mark.parametrize(
    ("status", "error"), [(404, MissingError), (403, RefusedError), (500, UnavailableError)]
)
async def test_an_order_that_cannot_be_read_is_not_cancelled(
    desk: Desk, status: int, error: type[ProviderError]
) -> None:
    api = Api({ORDER: refused(status), DELETE: {}})
    async with api.open(desk) as tasking:
        with pytest.raises(error):
            await tasking.cancel(ORDER_ID)
    assert api.sent == []
