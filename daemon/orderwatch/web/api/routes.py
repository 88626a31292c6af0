"""The paths of the API, and their handlers."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus

import orjson
from aiohttp import hdrs, web

from orderwatch.core.attention.concern import Concern
from orderwatch.core.cluster.hosts import HostReport
from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.core.model import Order
from orderwatch.core.orders.explain import Facts
from orderwatch.core.serializers import (
    account_to_dict,
    concern_to_dict,
    daemon_status_to_dict,
    explanation_to_dict,
    host_to_dict,
    order_to_dict,
    pause_to_dict,
    problem_to_dict,
    transfer_to_dict,
    transition_to_dict,
)
from orderwatch.ports import Detail, Store
from orderwatch.ports.queries import Found, Search
from orderwatch.web.api.answers import JSON, Handler, error, respond, with_json_errors
from orderwatch.web.api.change_feed import ChangeFeed
from orderwatch.web.api.events import events
from orderwatch.web.api.json_types import (
    AccountsJson,
    AttentionJson,
    ExplainedOrderJson,
    HostsJson,
    OrdersJson,
    ProblemsJson,
    TransfersJson,
)
from orderwatch.web.api.openapi import description
from orderwatch.web.api.params import nothing_of, query_of, search_of
from orderwatch.web.server.etag import answered

API = "/api/"
_MAX_FILES_AT_ONCE = 2000
_PLACEHOLDER = re.compile(r"\{(\w+)\}")  # in a path of the description
Attention = Callable[[], Awaitable[Sequence[Concern]]]
Explained = Callable[[Order], Awaitable[Facts]]
Alive = Callable[[], DaemonStatus]
HostReports = Callable[[], Awaitable[Sequence[HostReport]]]


def api(
    records: Store,
    explained: Explained,
    attention: Attention,
    changes: ChangeFeed,
    alive: Alive,
    *,
    hosts: HostReports,
) -> Callable[[web.Application], None]:
    """Returns a function that adds the paths to an application; `explained` gathers facts of an order."""
    asked = _Api(records, explained, attention, changes, alive, hosts=hosts)
    handlers: Mapping[str, Handler] = {
        "/api/orders": asked.orders,
        "/api/orders/{account}/{order_id}": asked.order,
        "/api/attention": asked.attention,
        "/api/problems": asked.problems,
        "/api/accounts": asked.accounts,
        "/api/hosts": asked.hosts,
        "/api/transfers": asked.transfers,
        "/api/events": events(records, changes),
        "/api/openapi.json": asked.openapi,
    }

    def add(app: web.Application) -> None:
        app.middlewares.append(_json_not_found)
        for path, handler in handlers.items():
            app.router.add_get(_PLACEHOLDER.sub(r"{\1:[^/]+}", path), with_json_errors(handler))

    return add


@web.middleware
async def _json_not_found(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers unknown paths of the API with JSON, to browsers too."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        if not request.path.startswith(API):
            raise
        return error(HTTPStatus.NOT_FOUND, "no such resource")


class _Api:
    def __init__(
        self,
        records: Store,
        explained: Explained,
        attention: Attention,
        changes: ChangeFeed,
        alive: Alive,
        *,
        hosts: HostReports,
    ) -> None:
        self._records = records
        self._attention = attention
        self._explained = explained
        self._changes = changes
        self._alive = alive
        self._hosts = hosts

    async def orders(self, request: web.Request) -> web.Response:
        search = search_of(request.query.items())
        found = await self._found(search)
        following = _next_page(search, found.total)
        page = OrdersJson(
            orders=await asyncio.to_thread(lambda: [order_to_dict(order) for order in found.orders]),
            total=found.total,
            limit=search.limit,
            offset=search.offset,
            next=following,
        )
        response = await respond(request, page)
        if following is not None:
            response.headers[hdrs.LINK] = f'<{following}>; rel="next"'
        return response

    async def _found(self, search: Search) -> Found:
        """Returns a page; orders of many files one by one, so that the daemon's work has its turn between."""
        counted = await self._records.search.find(search, Detail.NONE)
        if sum(some.number for order in counted.orders for some in order.files) <= _MAX_FILES_AT_ONCE:
            return await self._records.search.find(search)
        get = self._records.orders.get
        whole = [await get(order.account, order.order_id) for order in counted.orders]
        return Found([order for order in whole if order is not None], counted.total)

    async def order(self, request: web.Request) -> web.Response:
        nothing_of(request.query.items())
        account, order_id = request.match_info["account"], request.match_info["order_id"]
        order = await self._records.orders.get(account, order_id)
        if order is None:
            return error(HTTPStatus.NOT_FOUND, "no such order")
        facts = await self._explained(order)
        history = [
            transition_to_dict(move) for move in await self._records.history.of_order(order.order_id, account)
        ]
        return await respond(request, ExplainedOrderJson(**explanation_to_dict(facts), history=history))

    async def attention(self, request: web.Request) -> web.Response:
        nothing_of(request.query.items())
        concerns = [concern_to_dict(concern) for concern in await self._attention()]
        return await respond(request, AttentionJson(attention=concerns))

    async def problems(self, request: web.Request) -> web.Response:
        nothing_of(request.query.items())
        problems = [problem_to_dict(problem) for problem in (await self._records.outbox.problems()).values()]
        return await respond(request, ProblemsJson(problems=problems))

    async def accounts(self, request: web.Request) -> web.Response:
        nothing_of(request.query.items())
        accounts = [
            account_to_dict(name, state.listed_at, state.trouble)
            for name, state in sorted((await self._records.accounts.states()).items())
        ]
        pauses = [pause_to_dict(pause) for pause in (await self._records.actions.pauses()).all]
        return await respond(
            request,
            AccountsJson(daemon=daemon_status_to_dict(self._alive()), accounts=accounts, pauses=pauses),
        )

    async def hosts(self, request: web.Request) -> web.Response:
        nothing_of(request.query.items())
        return await respond(request, HostsJson(hosts=[host_to_dict(host) for host in await self._hosts()]))

    async def transfers(self, request: web.Request) -> web.Response:
        nothing_of(request.query.items())
        transfers = [transfer_to_dict(transfer) for transfer in await self._changes.transfers()]
        return await respond(request, TransfersJson(transfers=transfers))

    async def openapi(self, request: web.Request) -> web.Response:
        nothing_of(request.query.items())
        return await answered(request, orjson.dumps(description()), JSON)


def _next_page(search: Search, total: int) -> str | None:
    """Returns the URL of the next page, relative to the server."""
    offset = search.offset + search.limit
    return f"/api/orders?{query_of(search, offset)}" if offset < total else None
