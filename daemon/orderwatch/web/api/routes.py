"""The paths of the API and their answers."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import wraps
from http import HTTPStatus

import orjson
from aiohttp import hdrs, web

from orderwatch.core.attention.concern import Concern
from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.core.model import Order
from orderwatch.core.orders.explain import Facts
from orderwatch.core.serializers import (
    account_to_dict,
    concern_to_dict,
    daemon_status_to_dict,
    explanation_to_dict,
    order_to_dict,
    problem_to_dict,
    transfer_to_dict,
    transition_to_dict,
)
from orderwatch.ports.queries import Records, Search
from orderwatch.web.api.change_feed import ChangeFeed
from orderwatch.web.api.events import events
from orderwatch.web.api.openapi import description
from orderwatch.web.api.params import ParameterError, nothing_of, query_of, search_of
from orderwatch.web.row_numbers import number_of
from orderwatch.web.server.etag import answered

_JSON = "application/json"
_ANY = re.compile(r"\{(\w+)\}")  # part of a path; by itself the router would take no braces for it
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Attention = Callable[[], Awaitable[Sequence[Concern]]]
Explained = Callable[[Order], Awaitable[Facts]]
Alive = Callable[[], DaemonStatus]


def api(
    records: Records, explained: Explained, attention: Attention, changes: ChangeFeed, alive: Alive
) -> Callable[[web.Application], None]:
    """Adds the paths to an application; `explained` gathers what bears on an order."""
    asked = _Api(records, explained, attention, changes, alive)
    handlers: Mapping[str, Handler] = {
        "/api/orders": asked.orders,
        "/api/orders/{account}/{task_id}": asked.order,
        "/api/attention": asked.attention,
        "/api/problems": asked.problems,
        "/api/accounts": asked.accounts,
        "/api/transfers": asked.transfers,
        "/api/events": events(records, changes),
        "/api/openapi.json": asked.openapi,
    }

    def add(app: web.Application) -> None:
        for path, handler in handlers.items():
            app.router.add_get(_ANY.sub(r"{\1:[^/]+}", path), _in_json(handler))

    return add


def _in_json(handler: Handler) -> Handler:
    """What was asked wrongly is told as JSON too."""

    @wraps(handler)
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ParameterError as error:
            return _refusal(HTTPStatus.BAD_REQUEST, str(error))

    return answer


def _refusal(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, body=orjson.dumps({"error": text}), content_type=_JSON)


class _Api:
    def __init__(
        self,
        records: Records,
        explained: Explained,
        attention: Attention,
        changes: ChangeFeed,
        alive: Alive,
    ) -> None:
        self._records = records
        self._attention = attention
        self._explained = explained
        self._changes = changes
        self._alive = alive

    async def orders(self, request: web.Request) -> web.Response:
        search = search_of(request.query.items())
        found = await self._records.find(search)
        following = _following(search, found.total)
        response = await _told(
            request,
            orders=[order_to_dict(order) for order in found.orders],
            total=found.total,
            limit=search.limit,
            offset=search.offset,
            next=following,
        )
        if following is not None:
            response.headers[hdrs.LINK] = f'<{following}>; rel="next"'
        return response

    async def order(self, request: web.Request) -> web.Response:
        nothing_of(request.query.items())
        account, task_id = request.match_info["account"], number_of(request.match_info["task_id"])
        order = await self._records.order(account, task_id) if task_id is not None else None
        if order is None:
            return _refusal(HTTPStatus.NOT_FOUND, "no such order is known")
        facts = await self._explained(order)
        history = [transition_to_dict(move) for move in await self._records.history(order.task_id, account)]
        return await _told(request, **explanation_to_dict(facts), history=history)

    async def attention(self, request: web.Request) -> web.Response:
        nothing_of(request.query.items())
        return await _told(request, attention=[concern_to_dict(found) for found in await self._attention()])

    async def problems(self, request: web.Request) -> web.Response:
        nothing_of(request.query.items())
        found = await self._records.problems()
        return await _told(request, problems=[problem_to_dict(problem) for problem in found.values()])

    async def accounts(self, request: web.Request) -> web.Response:
        nothing_of(request.query.items())
        found = [
            account_to_dict(name, state.listed_at, state.trouble)
            for name, state in sorted((await self._records.accounts()).items())
        ]
        return await _told(request, daemon=daemon_status_to_dict(self._alive()), accounts=found)

    async def transfers(self, request: web.Request) -> web.Response:
        nothing_of(request.query.items())
        return await _told(
            request, transfers=[transfer_to_dict(going) for going in await self._changes.transfers()]
        )

    async def openapi(self, request: web.Request) -> web.Response:
        nothing_of(request.query.items())
        return await answered(request, orjson.dumps(description()), _JSON)


async def _told(request: web.Request, **facts: object) -> web.Response:
    return await answered(request, orjson.dumps(facts), _JSON)


def _following(search: Search, total: int) -> str | None:
    """The URL of the page after this one, relative to the server."""
    offset = search.offset + search.limit
    return f"/api/orders?{query_of(search, offset)}" if offset < total else None
