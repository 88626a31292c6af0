"""A small STAC archive over a real socket, and the adapter connected to it."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from aiohttp import web
from tests.provider.hosts import Host, at, give_token
from tests.provider.kit import Desk

from orderwatch.core.model import Capture, CapturePhase, Delivery, Order, OrderPhase, TrackedStatus
from orderwatch.core.orders.snapshot import SceneSnapshot
from orderwatch.provider.connection import Connection
from orderwatch.provider.schemas import SchemaReader
from orderwatch.provider.stac.archive import StacArchive

OUTCOME = "7a1c40de-93b5-4f0e-8a66-2d9f1b3c5e70"
OTHER = "11111111-93b5-4f0e-8a66-2d9f1b3c5e70"
SEARCH = "/v2/archive/search"
POINT = {"type": "Point", "coordinates": [118.05, 15.74, 12.5]}
CAPTURED_AT = datetime(2026, 3, 11, 4, 30, 12, tzinfo=UTC)
BUCKET = "https://bucket.s3.example.com"


def item(
    tile: str = "0_1",
    outcome: str = OUTCOME,
    version: str = "2_0_1",
    more: Mapping[str, object] = MappingProxyType({}),
) -> Any:  # noqa: ANN401 - JSON
    item_id = f"20260311_043012_418_SN33_L1D_SR_MS_50N_612_1740_{tile}_{version}"
    file = f"s3%3A//b/L1D_SR/{outcome}/{item_id}_visual.tif"
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "collection": "l1d-sr",
        "id": item_id,
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[118.0, 15.7], [118.1, 15.7], [118.1, 15.8], [118.0, 15.8], [118.0, 15.7]]],
        },
        "properties": {
            "datetime": "2026-03-11T04:30:12.418277123+00:00",
            "platform": "newsat33",
            "grid:code": "SATL-4KM-50N_612_1740",
            "satl:outcome_id": outcome,
            "satl:product_name": "L1D_SR",
            "satl:product_version": version.replace("_", "."),
            "satl:last_modified": "2026-03-11T13:04:51.907340+00:00",
            "satl:transaction_id": "l1d-sr-q7kzd",
            **more,
        },
        "links": [{"rel": "self", "href": f"https://api.example.com/archive/stac/items/{item_id}"}],
        "assets": {
            "visual": {
                "href": f"{{api}}/assets/l1d-sr/{item_id}/visual?s={file}",
                "type": "image/tiff; application=geotiff",
                "roles": ["data"],
            },
            "preview": {
                "href": f"{BUCKET}/L1D_SR/{item_id}_preview.png?X-Amz-Signature=canary",
                "type": "image/png",
            },
        },
    }


@dataclass
class Shelf:
    """An archive that filters by outcome and by collection, and pages by token."""

    items: list[Any] = field(default_factory=list)
    page_items: int = 100
    refusal: int | None = None  # the status that a filter gets
    ignores_filter: bool = False
    finds_nothing: bool = False  # by the filter
    next_link: Callable[[str, Mapping[str, Any]], Any] = lambda token, body: {
        "rel": "next",
        "method": "POST",
        "href": "https://internal.example.com/search",
        "body": {**body, "token": token},
    }
    answers: list[web.Response] = field(default_factory=list)  # given first
    bodies: list[Any] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    places: int = 0  # searches without a filter

    async def reply(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/oauth/token":
            return await give_token(request)
        if request.path != SEARCH:
            return web.Response(status=404)
        body = await request.json() if request.method == "POST" else dict(request.query)
        self.bodies.append(body)
        self.headers.append(request.headers)
        if self.answers:
            return self.answers.pop(0)
        found = self._found(body)
        if isinstance(found, web.Response):
            return found
        start = int(str(body.get("token", "next:0")).removeprefix("next:"))
        page = found[start : start + self.page_items]
        links: list[Any] = [{"rel": "self", "href": "/"}]
        if start + self.page_items < len(found):
            links.append(self.next_link(f"next:{start + self.page_items}", body))
        text = json.dumps({"type": "FeatureCollection", "features": page, "links": links})
        return web.Response(
            text=text.replace("{api}", f"http://{request.host}"), content_type="application/json"
        )

    def _found(self, body: Mapping[str, Any]) -> list[Any] | web.Response:
        assert "query" not in body
        condition = body.get("filter")
        if condition is None:
            self.places += "token" not in body
            return self.items
        if self.refusal:
            return web.json_response({"detail": "no"}, status=self.refusal)
        assert body["filter-lang"] == "cql2-json"
        outcome = condition["args"][1]
        if self.ignores_filter:
            return self.items
        return [
            one
            for one in self.items
            if not self.finds_nothing and one["properties"].get("satl:outcome_id") == outcome
        ]


def an_order(**given: object) -> Order:
    fields: dict[str, Any] = {"document": {"target": POINT}, **given}
    status = TrackedStatus(word="in_progress", phase=OrderPhase.IN_PROGRESS)
    return Order(account="main", status=status, **{"order_id": "013163", **fields})


def a_capture(capture_id: str = OUTCOME, start: datetime | None = CAPTURED_AT) -> Capture:
    status = TrackedStatus(word="published", phase=CapturePhase.PUBLISHED)
    return Capture(capture_id=capture_id, status=status, start=start)


def a_delivery(scene_id: str, attachment: str, capture_id: str = OUTCOME) -> Delivery:
    return Delivery(
        account="main",
        order_id="013163",
        capture_id=capture_id,
        scene_id=scene_id,
        attachment=attachment,
        file_name="",
        fingerprint="",
    )


@dataclass
class Reading:
    """The adapter on one shelf."""

    shelf: Shelf
    archive: StacArchive
    connection: Connection
    url: str

    async def scenes(
        self, order: Order | None = None, capture: Capture | None = None
    ) -> Sequence[SceneSnapshot]:
        return await self.archive.scenes(order or an_order(), capture or a_capture())

    async def ids(self, order: Order | None = None, capture: Capture | None = None) -> list[str]:
        return [scene.scene_id for scene in await self.scenes(order, capture)]


@asynccontextmanager
async def reading(
    shelf: Shelf,
    desk: Desk | None = None,
    *,
    api: Host | None = None,
    collections: tuple[str, ...] = ("l1d-sr",),
) -> AsyncIterator[Reading]:
    """Connect to the shelf; with `api` the account's own API is that other host."""
    desk = desk or Desk()
    async with Host(shelf.reply).serving() as url, (api or Host(shelf.reply)).serving() as other:
        access = replace(at(other if api else url), archive_url=f"{url}{SEARCH}", collections=collections)
        async with desk.connect(access) as connection:
            archive = StacArchive(connection.http, SchemaReader("main"), desk.monotonic)
            yield Reading(shelf, archive, connection, url)
