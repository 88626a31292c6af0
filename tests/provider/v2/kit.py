"""A v2 API of a few lines, over real sockets: paths and what they answer."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web
from tests.provider.hosts import Host, at, give_token
from tests.provider.kit import Desk

from orderwatch.core.orders.snapshot import CaptureSnapshot, OrderSnapshot
from orderwatch.errors import ProviderError
from orderwatch.provider.v2.tasking import OrdersApi

ORDER_ID = "013163"
ORDER = f"GET /v2/orders/{ORDER_ID}"
EVENTS = f"{ORDER}/events"
CAPTURES = f"{ORDER}/captures"
DELIVERABLES = f"{ORDER}/deliverables"
OUTCOME = "9d5d1c1e-6a0b-4d58-9a3e-0c1c2f8e7b11"

Reply = Callable[[web.Request], web.StreamResponse] | web.StreamResponse | object


@dataclass
class Api:
    """Answers by method and path, `GET /v2/orders/`; everything else is a 404 of a gateway."""

    answers: Mapping[str, Reply] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # method and path with query
    sent: list[tuple[str, Any]] = field(default_factory=list)  # method and path, and the body

    async def reply(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/oauth/token":
            return await give_token(request)
        name = f"{request.method} {request.path}"
        self.asked.append(f"{request.method} {request.path_qs}")
        if request.method != "GET":
            self.sent.append((name, await request.json() if request.can_read_body else None))
        found = self.answers.get(name)
        if callable(found):
            found = found(request)
        if isinstance(found, web.StreamResponse):
            return found
        if found is None:
            return web.json_response({"message": "Not found"}, status=404)
        return web.json_response(found)

    @asynccontextmanager
    async def open(self, desk: Desk) -> AsyncIterator[OrdersApi]:
        async with Host(self.reply).serving() as url, desk.connect(replace(at(url), api="v2")) as provider:
            assert isinstance(provider.tasking, OrdersApi)
            yield provider.tasking


def refused(status: int, **body: object) -> Callable[[web.Request], web.StreamResponse]:
    return lambda _: web.json_response(body or {"message": "no"}, status=status)


def feature(order_id: object = ORDER_ID, **changes: object) -> dict[str, Any]:
    """An order as the provider documents it."""
    parameters = {"start": "2026-03-02T19:48:00Z", "end": "2026-03-31T23:59:00Z", "task_id": 347586}
    properties = {
        "order_id": order_id,
        "order_name": "harbour 7",
        "contract_id": "cont.5f0c7f1e-2c7b-4b7a-9d51-0f3f6f6f1a11",
        "project_name": "harbours",
        "sku": "TSKPOI-M",
        "product_name": "Standard Tasking",
        "status": "in_progress",
        "status_report": None,
        "latest_event": {"id": "evt.1", "type": "OrderAccepted", "timestamp": "2026-03-02T16:27:03+00:00"},
        "created_at": "2026-03-02T16:20:11.104512",
        "parameters": parameters,
    }
    geometry = {"type": "Point", "coordinates": [-68.285557111, -34.620848878, 664.040039062]}
    return {"type": "Feature", "geometry": geometry, "properties": properties | changes}


def event(kind: str, time: str = "2026-03-02T17:00:00Z", **more: object) -> dict[str, object]:
    return {"id": f"evt.{kind}.{time}", "type": kind, "timestamp": time, "message": None} | more


def capture(capture_id: str = OUTCOME, status: str = "acquired", **more: object) -> dict[str, object]:
    start = "2026-03-05T17:44:18.288159Z"
    row = {"capture_id": capture_id, "order": ORDER_ID, "status": status}
    return row | {"satellite_name": "newsat48", "start": start} | more


def deliverable(number: int = 1, status: str = "DELIVERED", **more: object) -> dict[str, object]:
    row = {"deliverable_id": f"deliv.{number}", "order": ORDER_ID, "capture_id": OUTCOME, "status": status}
    return row | {"processing_level": "L1D_SR", "assets": {"visual": {"href": "https://x/y"}}} | more


def paged(
    rows: list[Any], envelope: str = "features", *, honours: int = 500
) -> Callable[[web.Request], web.StreamResponse]:
    """A list whose `next` is relative and without the slash, as documented."""

    def reply(request: web.Request) -> web.StreamResponse:
        limit = min(int(request.query.get("limit", 25)), honours)
        offset = int(request.query.get("offset", 0))
        after, path = offset + limit, request.path.rstrip("/")
        following = f"{path}?offset={after}&limit={limit}" if after < len(rows) else None
        page = {"count": len(rows), "next": following, "previous": None, envelope: rows[offset:after]}
        return web.json_response({"type": "FeatureCollection", **page})

    return reply


async def listed(tasking: OrdersApi) -> list[OrderSnapshot | None]:
    return [row.read() async for page in tasking.listing() for row in page.rows]


Captures = dict[str, CaptureSnapshot]


async def captures_and_trouble(
    tasking: OrdersApi, order_id: str = ORDER_ID
) -> tuple[Captures, ProviderError | None]:
    """The captures by id, and what they end with."""
    found: Captures = {}
    try:
        async for seen in tasking.captures(order_id):
            assert seen.capture_id not in found
            found[seen.capture_id] = seen
    except ProviderError as error:
        return found, error
    return found, None


async def captures_read(tasking: OrdersApi, order_id: str = ORDER_ID) -> Captures:
    found, trouble = await captures_and_trouble(tasking, order_id)
    if trouble is not None:
        raise trouble
    return found
