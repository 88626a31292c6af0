"""The API listener: token endpoint, Accounts Service, Tasking and Telluric on one host."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from aiohttp import web

from orderwatch.simulator import access, placing
from orderwatch.simulator.access import Refused
from orderwatch.simulator.faults import On
from orderwatch.simulator.journal import noted
from orderwatch.simulator.scenario import Order, Product
from orderwatch.simulator.sending import instead, json_response, spoiled
from orderwatch.simulator.state import Simulator
from orderwatch.simulator.values import Document
from orderwatch.simulator.world import current

T = TypeVar("T")
Answer = Callable[[Simulator, web.Request], Awaitable[web.Response]]


class Route(NamedTuple):
    method: str
    path: str
    on: On
    answer: Answer


def application(simulator: Simulator) -> web.Application:
    app = web.Application(middlewares=[noted(simulator.journal, "api", simulator.seconds)])
    app.add_routes(
        web.route(route.method, route.path, _faulty(simulator, route.on, route.answer)) for route in ROUTES
    )
    app.add_routes(web.get(path, _bound(simulator, answer)) for path, answer in SIDE_DOORS.items())
    return app


async def _token(simulator: Simulator, request: web.Request) -> web.Response:
    return json_response(access.new_token(simulator, await access.json_object(request)))


async def _my_contracts(simulator: Simulator, request: web.Request) -> web.Response:
    account = access.account_without_contract(simulator, request, access.ACCOUNTS)
    return _page(simulator, request, account.contracts, partial(access.contract_document, simulator))


async def _contracts(simulator: Simulator, request: web.Request) -> web.Response:
    account = access.account_without_contract(simulator, request, access.TASKING)
    return json_response([{"contract_id": c.contract_id, "name": c.name} for c in account.contracts])


async def _products(simulator: Simulator, request: web.Request) -> web.Response:
    access.contracts_of(simulator, request)
    return _page(simulator, request, simulator.scenario.products, Product.model_dump)


async def _tasks(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    filters = {name: request.query[name] for name in ("project_name", "task_name") if name in request.query}
    status = request.query.get("status")
    found = [
        order
        for order in _orders(simulator, request, at)
        if all(getattr(order, name) == value for name, value in filters.items())
        and status in (None, current(order.status, at))
    ]
    return _page(simulator, request, found, lambda order: simulator.world.task(order, at))


async def _task(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    return json_response(simulator.world.task(_order(simulator, request, at), at))


async def _captures(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    order = _order(simulator, request, at)
    found = simulator.world.captures(order, at)
    return _page(simulator, request, found, lambda capture: simulator.world.capture(capture, at))


async def _scenes(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    orders = _orders(simulator, request, at)
    capture_id = request.query.get("sceneset_id")
    if capture_id is not None:
        owner = simulator.world.owner(capture_id)
        orders = [order for order in orders if order is owner]
    places = (place for order in orders for place in simulator.world.places(at, order))
    found = [place for place in places if capture_id in (None, place.capture.capture_id)]
    return _page(simulator, request, found, lambda place: simulator.world.scene(place, at, simulator.sign))


async def _place(simulator: Simulator, request: web.Request) -> web.Response:
    contract, *_ = access.contracts_of(simulator, request)
    body = await access.json_object(request)
    if complaints := placing.complaints(body, simulator.scenario):
        raise Refused(400, complaints)
    at = simulator.seconds()
    simulator.world, order = placing.placed(simulator.world, body, contract, at)
    return json_response(simulator.world.task(order, at), status=201)


async def _cancel(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    order = _order(simulator, request, at)
    simulator.world, order = placing.cancelled(simulator.world, order, at)
    return json_response(simulator.world.task(order, at))


async def _journal(simulator: Simulator, _request: web.Request) -> web.Response:
    return json_response(simulator.journal.document())


async def _truth(simulator: Simulator, _request: web.Request) -> web.Response:
    return json_response(await simulator.truth())


ROUTES = (
    Route("POST", "/oauth/token", "token", _token),
    Route("GET", "/v2/my/contracts", "contracts", _my_contracts),
    Route("GET", "/contracts", "contracts", _contracts),
    Route("GET", "/tasking/products/", "products", _products),
    Route("GET", "/tasking/tasks/", "tasks", _tasks),
    Route("POST", "/tasking/tasks/", "place", _place),
    Route("GET", r"/tasking/tasks/{task_id:\d+}", "task", _task),
    Route("GET", r"/tasking/tasks/{task_id:\d+}/", "task", _task),
    Route("GET", r"/tasking/tasks/{task_id:\d+}/captures/", "captures", _captures),
    Route("PATCH", r"/tasking/tasks/{task_id:\d+}/cancel/", "cancel", _cancel),
    Route("GET", "/telluric/scenes/", "scenes", _scenes),
)
# What no provider has: for tests, the demo and people.
SIDE_DOORS = {"/_sim/journal": _journal, "/_sim/truth": _truth}


def _bound(simulator: Simulator, answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return await answer(simulator, request)
        except Refused as refused:
            return json_response(refused.document, refused.status)

    return handle


def _faulty(
    simulator: Simulator, on: On, answer: Answer
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    truthfully = _bound(simulator, answer)

    async def handle(request: web.Request) -> web.StreamResponse:
        fault = simulator.faults.due(on, _facts(simulator, request))
        if fault is None:
            return await truthfully(request)
        if fault.kind == "expire":
            _revoke(simulator, request)
        truth = await truthfully(request) if fault.late else None
        lie = await instead(request, fault)
        if lie is not None:
            return lie
        return await spoiled(request, truth if truth is not None else await truthfully(request), fault)

    return handle


def _facts(simulator: Simulator, request: web.Request) -> Document:
    capture_id = request.query.get("sceneset_id")
    owner = simulator.world.owner(capture_id) if capture_id else None
    task_id = owner.task_id if owner else request.match_info.get("task_id")
    return {"path": request.path, "task_id": task_id, "capture_id": capture_id}


def _revoke(simulator: Simulator, request: web.Request) -> None:
    for header in access.TOKEN_HEADERS.values():
        simulator.tokens.revoke(request.headers.get(header, "").removeprefix("Bearer "))


def _orders(simulator: Simulator, request: web.Request, at: float) -> list[Order]:
    contracts = access.contracts_of(simulator, request)
    contract_of = simulator.scenario.contract_of
    return [order for order in simulator.world.orders(at) if contract_of(order) in contracts]


def _order(simulator: Simulator, request: web.Request, at: float) -> Order:
    contracts = access.contracts_of(simulator, request)
    order = simulator.world.order(int(request.match_info["task_id"]), at)
    if order is None or simulator.scenario.contract_of(order) not in contracts:
        raise Refused(404, {"detail": "Not found."})
    return order


def _page(
    simulator: Simulator, request: web.Request, rows: Sequence[T], show: Callable[[T], Document]
) -> web.Response:
    scenario = simulator.scenario
    limit = min(_number(request, "limit") or scenario.page_size, scenario.page_max)
    offset = _number(request, "offset")

    def url(start: int) -> str:
        return str(request.url.update_query(limit=limit, offset=start))

    return json_response(
        {
            "count": len(rows),
            "next": url(offset + limit) if offset + limit < len(rows) else None,
            "previous": url(max(0, offset - limit)) if offset else None,
            "results": [show(row) for row in rows[offset : offset + limit]],
        }
    )


def _number(request: web.Request, name: str) -> int:
    """The query's number; 0 where there is none, or nonsense, as the provider's framework reads it."""
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else 0
