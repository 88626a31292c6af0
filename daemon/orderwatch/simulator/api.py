"""The API listener: token endpoint, Accounts Service, Tasking and Telluric on one host."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from orderwatch.simulator import auth, placing
from orderwatch.simulator.archive import routes as archive
from orderwatch.simulator.assets import routes as assets
from orderwatch.simulator.auth import Refused
from orderwatch.simulator.documents import Document, current
from orderwatch.simulator.faults import On
from orderwatch.simulator.journal import ENTRY, SIDE, noted
from orderwatch.simulator.responses import instead, json_response, number, page, spoiled
from orderwatch.simulator.routing import Answer, Route
from orderwatch.simulator.scenario import Api, Order, Product
from orderwatch.simulator.state import Simulator
from orderwatch.simulator.v2 import routes as v2


def application(simulator: Simulator) -> web.Application:
    note = noted(simulator.journal, "api", simulator.seconds)
    app = web.Application(middlewares=[note, _admission(simulator)])
    app.add_routes(
        web.route(route.method, route.path, _faulty(simulator, route.on, route.answer))
        for route in (*ROUTES, *v2.ROUTES, *archive.ROUTES)
    )
    app.add_routes(web.get(path, assets.serving(simulator)) for path in assets.PATHS)
    app.add_routes(web.get(path, _bound(simulator, answer)) for path, answer in SIDE_DOORS.items())
    return app


async def _token(simulator: Simulator, request: web.Request) -> web.Response:
    return json_response(auth.new_token(simulator, await auth.json_object(request)))


async def _my_contracts(simulator: Simulator, request: web.Request) -> web.Response:
    account = auth.account_without_contract(simulator, request, auth.ACCOUNTS)
    return page(simulator.scenario, request, account.contracts, partial(auth.contract_document, simulator))


async def _contracts(simulator: Simulator, request: web.Request) -> web.Response:
    account = auth.account_without_contract(simulator, request, auth.TASKING)
    return json_response([{"contract_id": c.contract_id, "name": c.name} for c in account.contracts])


async def _products(simulator: Simulator, request: web.Request) -> web.Response:
    auth.contracts_of(simulator, request)
    return page(simulator.scenario, request, simulator.scenario.products, Product.model_dump)


async def _tasks(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    found = simulator.world.tasks(at, auth.contracts_of(simulator, request))
    for name in ("project_name", "task_name"):
        if (wanted := request.query.get(name)) is not None:
            found = [order for order in found if getattr(order, name) == wanted]
    if (wanted := request.query.get("status")) is not None:
        found = [order for order in found if current(order.status, at) == wanted]
    return page(simulator.scenario, request, found, lambda order: simulator.world.task(order, at))


async def _task(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    return json_response(simulator.world.task(_order(simulator, request, at), at))


async def _captures(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    order = _order(simulator, request, at)
    found = simulator.world.captures(order, at)
    return page(simulator.scenario, request, found, lambda capture: simulator.world.capture(capture, at))


async def _scenes(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    contracts = auth.contracts_of(simulator, request)
    capture_id = request.query.get("sceneset_id")
    if capture_id is None:
        orders = simulator.world.tasks(at, contracts)
    else:
        owner = simulator.world.owner(capture_id)
        order = None if owner is None else simulator.world.order(owner.task_id, at, contracts)
        orders = [] if order is None else [order]
    places = (place for order in orders for place in simulator.world.places(at, order))
    found = [place for place in places if capture_id in (None, place.capture.capture_id)]
    return page(
        simulator.scenario, request, found, lambda place: simulator.world.scene(place, at, simulator.sign)
    )


async def _place(simulator: Simulator, request: web.Request) -> web.Response:
    account = auth.account_that_may_task(simulator, request)
    contract, *_ = auth.contracts_of(simulator, request)
    body = await auth.json_object(request)
    if complaints := placing.complaints(body, simulator.scenario, simulator.now()):
        raise Refused(400, complaints)
    if not account.credit:
        raise Refused(402, {"detail": "The contract has no credit left."})
    at = simulator.seconds()
    simulator.world, order = placing.placed(simulator.world, body, contract, at)
    return json_response(simulator.world.task(order, at), status=201)


async def _cancel(simulator: Simulator, request: web.Request) -> web.Response:
    auth.account_that_may_task(simulator, request)
    at = simulator.seconds()
    order = _order(simulator, request, at)
    simulator.world, order = placing.cancelled(simulator.world, order, at)
    return json_response(simulator.world.task(order, at))


async def _journal(simulator: Simulator, _request: web.Request) -> web.Response:
    return json_response(simulator.journal.document())


async def _truth(simulator: Simulator, _request: web.Request) -> web.Response:
    return json_response(await simulator.truth())


async def _archive_truth(simulator: Simulator, _request: web.Request) -> web.Response:
    return json_response(await simulator.archive_truth())


async def _deliverables_truth(simulator: Simulator, _request: web.Request) -> web.Response:
    return json_response(await simulator.deliverables_truth())


ROUTES = (
    Route("POST", auth.TOKEN_PATH, "token", _token),
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
_PATHS: Mapping[Api, tuple[str, ...]] = {
    "tasking": ("/tasking/",),
    "telluric": ("/telluric/",),
    "v2": ("/v2/orders", "/v2/captures", "/v2/deliverables", "/v2/analysis", "/deliverables/"),
    "archive": ("/v2/archive/", "/archive/", "/assets/"),
}
# Not part of the provider's API: for tests, the demo and people.
SIDE_DOORS = {
    f"{SIDE}journal": _journal,
    f"{SIDE}truth": _truth,
    f"{SIDE}truth/archive": _archive_truth,
    f"{SIDE}truth/deliverables": _deliverables_truth,
}


def _admission(simulator: Simulator) -> Middleware:
    """Records the account of each request, and answers 503 during an outage."""

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[ENTRY].account = await auth.requester(simulator, request)
        if simulator.outage and not request.path.startswith(SIDE):
            return json_response({"message": "Service Unavailable"}, 503)
        if any(request.path.startswith(_PATHS[api]) for api in simulator.scenario.gone):
            return json_response({"message": "Not Found"}, 404)
        return await handler(request)

    return admit


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
    unfaulted = _bound(simulator, answer)

    async def handle(request: web.Request) -> web.StreamResponse:
        fault = simulator.faults.due(on, _facts(simulator, request))
        if fault is None:
            return await unfaulted(request)
        if fault.kind == "expire":
            auth.revoke(simulator, request)
        truth = await unfaulted(request) if fault.late else None
        lie = await instead(request, fault)
        if lie is not None:
            return lie
        if truth is None:
            truth = await unfaulted(request)
        return await spoiled(request, truth, fault, simulator.download_url)

    return handle


def _facts(simulator: Simulator, request: web.Request) -> Document:
    capture_id = request.query.get("sceneset_id")
    owner = simulator.world.owner(capture_id) if capture_id else None
    order_id = request.match_info.get("order_id")
    owner = owner or simulator.world.order_with(order_id or "", simulator.seconds())
    task_id = owner.task_id if owner else request.match_info.get("task_id")
    return {
        "account": request[ENTRY].account,
        "path": request.path,
        "task_id": task_id,
        "order_id": order_id,
        "capture_id": capture_id,
        "limit": number(request, "limit"),
    }


def _order(simulator: Simulator, request: web.Request, at: float) -> Order:
    contracts = auth.contracts_of(simulator, request)
    order = simulator.world.order(int(request.match_info["task_id"]), at, contracts)
    if order is None:
        raise Refused(404, {"detail": "Not found."})
    return order
