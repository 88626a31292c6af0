"""The pages of the site."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from http import HTTPStatus

from aiohttp import hdrs, web

from orderwatch.core.attention.attention import by_order
from orderwatch.core.deliveries.bandwidth import Progress
from orderwatch.core.model import Order
from orderwatch.core.orders.explain import Evidence, gist
from orderwatch.core.orders.publication_lag import Lags
from orderwatch.core.orders.recent_changes import changes_by_subject, fold_changes
from orderwatch.core.orders.timeline import timeline
from orderwatch.errors import DatabaseError
from orderwatch.ports import Detail, Store
from orderwatch.ports.dashboard import Overview
from orderwatch.ports.queries import Sort
from orderwatch.web.actions.access import shown_actions
from orderwatch.web.api.routes import API
from orderwatch.web.pages.map import MAX_ORDERS, OrderMap, collection, features_of
from orderwatch.web.pages.order_rows import OrderRows, TableFacts
from orderwatch.web.pages.page_renderer import PageRenderer
from orderwatch.web.pages.search_params import (
    COLUMNS,
    OPTIONAL,
    link_of,
    narrows,
    parse_columns,
    parse_search,
    turned,
)
from orderwatch.web.pages.state_links import state_links
from orderwatch.web.row_numbers import number_of
from orderwatch.web.server.access_control import GUARD
from orderwatch.web.server.etag import Packed, packed, sent
from orderwatch.web.server.response_cache import ResponseCache

_CHANGES_PER_PAGE = 200
_MAP_INTERVAL_SECONDS = 5.0
_ORDERS_PER_PAGE = 50
_MAX_PICTURES = 6  # of a capture
_LABELS = {"account": "Account", "project": "Project", "status": "Provider's status", "state": "State"}
_GEOJSON = "application/geo+json"

Page = Callable[[web.Request], Awaitable[Packed]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Explain = Callable[[Order], Awaitable[Sequence[Evidence]]]


@dataclass(slots=True, kw_only=True)
class Views:
    """The pages, and the data that they show."""

    records: Store
    overview: Callable[[], Awaitable[Overview]]
    transfers: Callable[[], Awaitable[Sequence[Progress]]]
    explain: Explain
    learned: Callable[[], Awaitable[Lags]]
    now: Callable[[], datetime]
    sharing: ResponseCache
    _renderer: PageRenderer = field(init=False)
    _rows: OrderRows = field(init=False)
    _atlas: OrderMap = field(init=False)

    def __post_init__(self) -> None:
        self._renderer = PageRenderer(self.overview, self.now)
        self._rows = OrderRows(self.records)
        self._atlas = OrderMap(self.records)

    def add_to(self, app: web.Application) -> None:
        order = "/orders/{account:[^/]+}/{order_id:[^/]+}"
        app.middlewares.append(self.error_pages)
        pages = {
            "/": self.board,
            "/map.json": self.map,
            "/events": self.events,
            order: self.order,
            f"{order}/map.json": self.map_of_order,
        }
        for path, page in pages.items():
            app.router.add_get(path, self._shared(page, _MAP_INTERVAL_SECONDS if page == self.map else None))

    def _shared(self, page: Page, apart: float | None) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(request: web.Request) -> web.Response:
            made = await self.sharing.answer(request.path_qs, partial(page, request), apart)
            return await sent(request, made)

        return handler

    async def board(self, request: web.Request) -> Packed:
        """Returns the summary, the map and the orders."""
        search = replace(parse_search(request.query), limit=_ORDERS_PER_PAGE)
        extra = parse_columns(request.query)
        hidden = set(OPTIONAL) - set(extra)
        found = await self.records.search.versions(search)
        choices = await self.records.search.choices()
        end = search.offset + len(found.versions)
        more = link_of(replace(search, offset=end), columns=extra)
        named = zip(_LABELS, choices, strict=True)
        overview = await self.overview()
        facts = TableFacts(
            now=self.now(),
            concerns=by_order(overview.attention),
            lags=await self.learned(),
            extra=extra,
        )
        needing = any(concern.order_id for concern in overview.attention)
        return await self._renderer.page(
            "board.html",
            here="orders",
            acting=shown_actions(request),
            overview=overview,
            transfers=await self.transfers(),
            search=search,
            total=found.total,
            rows=await self._rows.rows(found, facts),
            more=more if found.versions and end < found.total else None,
            map=link_of(replace(search, sort=Sort.ATTENTION, descending=True, offset=0), "/map.json"),
            drawn=MAX_ORDERS,
            columns=[
                (column, label, link_of(turned(search, column), columns=extra))
                for column, label in COLUMNS.items()
                if column not in hidden
            ],
            extra=extra,
            optional=[(column, COLUMNS[column]) for column in OPTIONAL],
            states=state_links(search, extra, overview.counts.orders, needing=needing),
            filtered=narrows(search),
            choices=[(name, _LABELS[name], values) for name, values in named],
        )

    async def order(self, request: web.Request) -> Packed:
        """Returns the page of one order."""
        order = await self._requested_order(request, Detail.LISTED)
        moves = await self.records.history.folded(order.order_id, order.account)
        evidence = await self.explain(order)
        lags, now, overview = await self.learned(), self.now(), await self.overview()
        return await self._renderer.page(
            "order.html",
            here="orders",
            acting=shown_actions(request),
            files_served=request.app[GUARD].files,
            order=order,
            overview=overview,
            concerns=by_order(overview.attention),
            line=timeline(order, now, lags.of(order.product)),
            evidence=evidence,
            gist=gist(evidence),
            history=changes_by_subject(moves),
            pictures=await self.records.deliveries.pictures(order.account, order.order_id, _MAX_PICTURES),
            of_many=False,
        )

    async def events(self, request: web.Request) -> Packed:
        """Returns the recent status changes."""
        moves = await self.records.history.newest(
            number_of(request.query.get("before", "")), _CHANGES_PER_PAGE
        )
        older = f"/events?before={moves[-1][0]}" if len(moves) == _CHANGES_PER_PAGE else None
        rows = list(reversed(fold_changes(move for _, move in reversed(moves))))
        return await self._renderer.page("events.html", here="events", moves=rows, of_many=True, older=older)

    async def map(self, request: web.Request) -> Packed:
        """Returns the matching orders for the map, as GeoJSON."""
        return await packed(await self._atlas.map(parse_search(request.query)), _GEOJSON)

    async def map_of_order(self, request: web.Request) -> Packed:
        return await packed(
            collection(features_of(await self._requested_order(request, Detail.SCENES))), _GEOJSON
        )

    @web.middleware
    async def error_pages(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Shows browsers a page with the reason and a way back."""
        try:
            return await handler(request)
        except web.HTTPNotFound as missing:
            if not _is_browser(request):
                raise
            return await self._error_page("missing.html", HTTPStatus.NOT_FOUND, _words(missing))
        except DatabaseError as error:
            if not _is_browser(request):
                raise
            return await self._error_page("unreadable.html", HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    async def _error_page(self, template: str, status: HTTPStatus, reason: str) -> web.Response:
        drawn = await self._renderer.error_page(template, reason)
        return web.Response(text=drawn, status=status, content_type="text/html")

    async def _requested_order(self, request: web.Request, detail: Detail) -> Order:
        account, order_id = request.match_info["account"], request.match_info["order_id"]
        order = await self.records.orders.get(account, order_id, detail)
        if order is None:
            raise web.HTTPNotFound(text="404: no such order\n")
        return order


def _words(missing: web.HTTPNotFound) -> str:
    """Returns what is missing, as a sentence."""
    _, _, what = (missing.text or "").strip().partition(": ")
    return "No page has this address." if what == "Not Found" else f"{what.capitalize()}."


def _is_browser(request: web.Request) -> bool:
    return not request.path.startswith(API) and "text/html" in request.headers.get(hdrs.ACCEPT, "")
