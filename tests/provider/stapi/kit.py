"""A STAPI server of a few lines, over real sockets, and orders as the specification shows them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web
from tests.provider.hosts import Host, at
from tests.provider.kit import Desk

from orderwatch.core.model import Capture, Delivery, Order, TrackedStatus
from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.provider.connection import Connection

ORDER_ID = "0b1f-harbour 7"
PATH = "GET /orders/0b1f-harbour 7"
STATUSES = f"{PATH}/statuses"
LIST = "GET /orders"
TOKEN = "canary-static"

Answer = Callable[[web.Request], web.StreamResponse] | object


@dataclass
class Api:
    """Answers by method and path; everything else is a 404."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # method and path with query
    tokens: set[str] = field(default_factory=set)  # the headers that came
    url: str = ""

    async def reply(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        self.tokens.add(request.headers.get("Authorization", ""))
        found = self.answers.get(f"{request.method} {request.path}")
        if callable(found):
            found = found(request)
        if isinstance(found, web.StreamResponse):
            return found
        if found is None:
            return web.json_response({"detail": "Not Found"}, status=404)
        return web.json_response(found, content_type="application/geo+json")

    @asynccontextmanager
    async def open(self, desk: Desk, **changes: object) -> AsyncIterator[Connection]:
        async with Host(self.reply).serving() as self.url:
            access: dict[str, Any] = {
                "api": "stapi",
                "kind": "bearer",
                "contract_id": None,
                "read_secret": lambda: TOKEN,
            }
            async with desk.connect(replace(at(self.url), **access | changes)) as connection:
                yield connection


def status(code: str = "accepted", **fields: object) -> dict[str, object]:
    return {"timestamp": "2026-11-01T10:00:00Z", "status_code": code, "links": [], **fields}


def feature(
    now: Mapping[str, object] | None = None, *links: object, order_id: object = ORDER_ID, **fields: object
) -> dict[str, object]:
    """An order as stapi-fastapi answers it."""
    period = "2026-11-02T00:00:00+00:00/2026-11-20T00:00:00+00:00"
    point = {"type": "Point", "coordinates": [4.4, 51.9]}
    properties = {
        "product_id": "umbra_spotlight",
        "created": "2026-11-01T09:00:00Z",
        "status": now or status(),
        "search_parameters": {"datetime": period, "geometry": point, "filter": None},
        "opportunity_properties": {},
        "order_parameters": {"priority": 3},
    }
    return {
        "id": order_id,
        "type": "Feature",
        "stapi_type": "Order",
        "geometry": point,
        "properties": properties | fields,
        "links": [{"href": "http://x/orders/1", "rel": "self"}, *links],
    }


def link(href: str, rel: str = "delivery", **fields: object) -> dict[str, object]:
    return {"href": href, "rel": rel, **fields}


KNOWN = Order(account="main", order_id=ORDER_ID, status=TrackedStatus(word="completed", phase=None))
CAPTURE = Capture(capture_id=ORDER_ID, status=TrackedStatus(word="completed", phase=None))


def delivery(attachment: str) -> Delivery:
    return Delivery(
        account="main",
        order_id=ORDER_ID,
        capture_id=ORDER_ID,
        scene_id=ORDER_ID,
        attachment=attachment,
        file_name=attachment,
        fingerprint="",
    )


async def listed(provider: Connection) -> list[OrderSnapshot | None]:
    return [row.read() async for page in provider.tasking.listing() for row in page.rows]
