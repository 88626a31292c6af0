"""The pages: each is one reading of the records, drawn by a template."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import orjson
from aiohttp import web
from jinja2 import Environment

import orderwatch
from orderwatch.core.explain import Evidence
from orderwatch.core.geojson import Feature, features
from orderwatch.core.lag import NEWEST, UNLEARNED, Lags, fit
from orderwatch.core.model import DeliveryState, Order
from orderwatch.core.timeline import timeline
from orderwatch.core.tone import tone
from orderwatch.ports.overview import Overview
from orderwatch.ports.sight import Records
from orderwatch.web.etag import answered
from orderwatch.web.pages.asked import COLUMNS, asked, link_of, narrows, turned
from orderwatch.web.pages.drawing import page_of, templates

_EVENTS = 200  # moves on one page
_DRAWN = 1000  # orders on the map
_REFIT = 600.0  # seconds
_LARGEST = 2**63

Explain = Callable[[Order], Awaitable[Sequence[Evidence]]]


@dataclass(slots=True, kw_only=True)
class Site:
    """What the pages are made of. `overview` and `explain` are the daemon's own."""

    records: Records
    overview: Callable[[], Awaitable[Overview]]
    explain: Explain
    now: Callable[[], datetime]
    _templates: Environment = field(default_factory=templates)
    _lags: Lags = UNLEARNED
    _fitted: float | None = None

    def add_to(self, app: web.Application) -> None:
        number = "{task_id:[0-9]{1,19}}"
        app.router.add_get("/", self.board)
        app.router.add_get("/map.json", self.map)
        app.router.add_get("/events", self.events)
        app.router.add_get(f"/orders/{{account}}/{number}", self.order)
        app.router.add_get(f"/orders/{{account}}/{number}/map.json", self.map_of_order)

    async def board(self, request: web.Request) -> web.Response:
        """Is all well, where is it, and every order."""
        search = asked(request.query)
        found = await self.records.find(search)
        choices = await self.records.choices()
        end = search.offset + len(found.orders)
        named = zip(("account", "project", "status", "state"), choices, strict=True)
        return await self._page(
            request,
            "board.html",
            here="orders",
            overview=await self.overview(),
            transfers=await self.records.deliveries(DeliveryState.FETCHING),
            search=search,
            found=found,
            more=link_of(replace(search, offset=end)) if found.orders and end < found.total else None,
            columns=[(word, label, word and link_of(turned(search, word))) for word, label in COLUMNS],
            filtered=narrows(search),
            choices=[(name, name.capitalize(), values) for name, values in named],
            lags=await self._learned(),
        )

    async def order(self, request: web.Request) -> web.Response:
        """Everything of one order."""
        order = await self._asked_for(request)
        moves = await self.records.history(order.task_id)
        lags, now = await self._learned(), self.now()
        return await self._page(
            request,
            "order.html",
            here="order",
            order=order,
            line=timeline(order, now, lags.of(order.product)),
            evidence=await self.explain(order),
            history=[move for move in reversed(moves) if move.account == order.account],
            of_many=False,
        )

    async def events(self, request: web.Request) -> web.Response:
        """What moved lately."""
        before = request.query.get("before", "")
        number = int(before) if before.isascii() and before.isdigit() and int(before) < _LARGEST else None
        moves = await self.records.last_moves(number, _EVENTS)
        older = f"/events?before={moves[-1][0]}" if len(moves) == _EVENTS else None
        told = [move for _, move in moves]
        return await self._page(request, "events.html", here="events", moves=told, of_many=True, older=older)

    async def map(self, request: web.Request) -> web.Response:
        """Where the orders are that are searched for: GeoJSON; `facts` are a tone and a page."""
        search = replace(asked(request.query), offset=0, limit=_DRAWN)
        found = await self.records.find(search)
        return await self._features(request, found.orders)

    async def map_of_order(self, request: web.Request) -> web.Response:
        return await self._features(request, [await self._asked_for(request)])

    async def _asked_for(self, request: web.Request) -> Order:
        task_id = int(request.match_info["task_id"])
        if task_id < _LARGEST and (order := await self.records.order(request.match_info["account"], task_id)):
            return order
        raise web.HTTPNotFound(text="404: no such order is known\n")

    async def _features(self, request: web.Request, orders: Sequence[Order]) -> web.Response:
        drawn = [_drawn(order, feature) for order in orders for feature in features(order)]
        body = orjson.dumps({"type": "FeatureCollection", "features": drawn})
        return await answered(request, body, "application/geo+json")

    async def _page(self, request: web.Request, template: str, **facts: object) -> web.Response:
        drawn = self._templates.get_template(template).render(
            now=self.now(), version=orderwatch.__version__, **facts
        )
        return await answered(request, drawn.encode(), "text/html; charset=utf-8")

    async def _learned(self) -> Lags:
        """Fitted anew now and then."""
        if self._fitted is None or time.monotonic() - self._fitted > _REFIT:
            self._lags, self._fitted = fit(await self.records.lags(NEWEST)), time.monotonic()
        return self._lags


def _drawn(order: Order, feature: Feature) -> Feature:
    facts = {"tone": tone(order), "page": page_of(order)}
    return {**feature, "facts": facts}
