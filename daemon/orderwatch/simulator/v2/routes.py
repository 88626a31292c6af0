"""Requests to the orders API."""

import math

from aiohttp import web

from orderwatch.simulator import auth
from orderwatch.simulator.auth import Refused
from orderwatch.simulator.documents import Document
from orderwatch.simulator.orders import DAY, Capture, Order
from orderwatch.simulator.responses import json_response
from orderwatch.simulator.routing import Route
from orderwatch.simulator.state import Simulator
from orderwatch.simulator.v2 import documents, placing
from orderwatch.simulator.v2.paging import enveloped, features, nested


async def _orders(simulator: Simulator, request: web.Request) -> web.Response:
    at, options = simulator.seconds(), simulator.scenario.v2
    found = simulator.world.orders(at, auth.contracts_with_reason(simulator, request))
    if options.newest_first:
        found = sorted(found, key=lambda order: order.created, reverse=True)
    found = found[max(0, options.grows - simulator.paged) :]
    simulator.paged += 1
    if options.query and (text := request.query.get("query")):
        found = [order for order in found if text in order.task_name]

    def show(order: Order) -> Document:
        return documents.order_document(simulator, order, at, is_listed=True)

    return features(simulator, request, found, show)


async def _order(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    return json_response(documents.order_document(simulator, _requested(simulator, request, at), at))


async def _events(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    order = _requested(simulator, request, at)
    found = documents.events(order, at)
    return enveloped(
        simulator, request, found, lambda event: documents.event_document(simulator, order, event)
    )


async def _captures(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    order = _requested(simulator, request, at)
    return _captures_of(simulator, request, [order], at)


async def _all_captures(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    return _captures_of(simulator, request, _of_the_contract(simulator, request, at), at)


async def _deliverables(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    return _deliverables_of(simulator, request, [_requested(simulator, request, at)], at)


async def _all_deliverables(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    return _deliverables_of(simulator, request, _of_the_contract(simulator, request, at), at)


async def _deliverable(simulator: Simulator, request: web.Request) -> web.Response:
    at = simulator.seconds()
    contracts = auth.contracts_with_reason(simulator, request)
    product = simulator.index.products.get(request.match_info["deliverable_id"])
    if product is None or product not in documents.deliverables(simulator, product.order, at):
        raise Refused(404, {"message": "Not Found"})
    if simulator.world.order_with(product.order.order_id, at, contracts) is None:
        raise Refused(404, {"message": "Not Found"})
    row, options = documents.deliverable_document(simulator, product, at), simulator.scenario.v2
    is_nested = options.envelope == "features" if options.nested is None else options.nested
    return json_response(nested(row) if is_nested else row)


def _captures_of(simulator: Simulator, request: web.Request, orders: list[Order], at: float) -> web.Response:
    found = [(order, capture) for order in orders for capture in documents.captures(order, at)]

    def show(row: tuple[Order, Capture]) -> Document:
        return documents.capture_document(simulator, *row, at)

    return enveloped(simulator, request, found, show)


def _deliverables_of(
    simulator: Simulator, request: web.Request, orders: list[Order], at: float
) -> web.Response:
    found = [product for order in orders for product in documents.deliverables(simulator, order, at)]
    return enveloped(
        simulator, request, found, lambda product: documents.deliverable_document(simulator, product, at)
    )


def _of_the_contract(simulator: Simulator, request: web.Request, at: float) -> list[Order]:
    contracts = auth.contracts_with_reason(simulator, request)
    if not simulator.scenario.v2.contract_wide:
        raise Refused(404, {"message": "Not Found"})
    return simulator.world.orders(at, contracts)


def _requested(simulator: Simulator, request: web.Request, at: float) -> Order:
    contracts = auth.contracts_with_reason(simulator, request)
    order = simulator.world.order_with(request.match_info["order_id"], at, contracts)
    if order is None:
        raise Refused(404, {"message": "Not Found"})
    return order


async def _cancel(simulator: Simulator, request: web.Request) -> web.Response:
    auth.account_that_may_task(simulator, request)
    at, options = simulator.seconds(), simulator.scenario.v2
    order = _requested(simulator, request, at)
    if options.cancel == "forbidden":
        raise Refused(403, {"message": "Forbidden"})
    simulator.world = placing.requested_cancellation(simulator.world, order, at)
    if not options.cancel_body:
        return web.Response(status=204)
    return json_response({"status": "cancellation_requested"}, 202)


async def _forbidden_cancel(simulator: Simulator, request: web.Request) -> web.Response:
    auth.contracts_with_reason(simulator, request)
    raise Refused(403, {"message": "Forbidden"})


async def _place(simulator: Simulator, request: web.Request) -> web.Response:
    auth.account_that_may_task(simulator, request)
    contract, *_ = auth.contracts_with_reason(simulator, request)
    body = await auth.json_object(request)
    if errors := placing.errors(body, simulator.now()):
        raise Refused(422, {"detail": errors})
    at = simulator.seconds()
    simulator.world, order = placing.placed(simulator.world, body, contract, at)
    feature = documents.order_document(simulator, order, at)
    match simulator.scenario.v2.created:
        case "feature":
            return json_response(feature, 201)
        case "wrapped":
            return json_response({"feature": feature}, 201)
        case "no_id":
            del feature["properties"]["order_id"]
            return json_response(feature, 201)
        case "empty":
            return web.Response(status=201)


async def _analyse(simulator: Simulator, request: web.Request) -> web.Response:
    auth.contracts_with_reason(simulator, request)
    body = await auth.json_object(request)
    if errors := placing.errors(body, simulator.now()):
        raise Refused(422, {"detail": errors})
    analysis_id = f"analysis.{len(simulator.analyses) + 1:06d}"
    simulator.analyses[analysis_id] = simulator.seconds()
    return json_response({"analysis_id": analysis_id, "status": "PENDING"}, 201)


async def _analysis(simulator: Simulator, request: web.Request) -> web.Response:
    auth.contracts_with_reason(simulator, request)
    analysis_id = request.match_info["analysis_id"]
    age = simulator.seconds() - simulator.analyses.get(analysis_id, -math.inf)
    if age >= DAY:
        raise Refused(404, {"message": "Not Found"})
    answer: Document = {"analysis_id": analysis_id, "status": "PENDING"}
    if age >= simulator.scenario.v2.analysis_after:
        answer |= {"status": "SUCCESS", "result": {"opportunities": []}}
    return json_response(answer)


_ORDER = "/v2/orders/{order_id}"
# `next` names the lists without the slash, so both forms are there to read; writing has one form.
ROUTES = (
    Route("GET", "/v2/orders/", "v2_orders", _orders),
    Route("GET", "/v2/orders", "v2_orders", _orders),
    Route("POST", "/v2/orders/", "v2_place", _place),
    Route("GET", _ORDER, "v2_order", _order),
    Route("DELETE", _ORDER, "v2_cancel", _cancel),
    Route("POST", f"{_ORDER}/cancel", "v2_cancel", _forbidden_cancel),
    Route("GET", f"{_ORDER}/events", "v2_events", _events),
    Route("GET", f"{_ORDER}/captures", "v2_captures", _captures),
    Route("GET", f"{_ORDER}/deliverables", "v2_deliverables", _deliverables),
    Route("GET", "/v2/captures/", "v2_captures", _all_captures),
    Route("GET", "/v2/captures", "v2_captures", _all_captures),
    Route("GET", "/v2/deliverables/", "v2_deliverables", _all_deliverables),
    Route("GET", "/v2/deliverables", "v2_deliverables", _all_deliverables),
    Route("GET", "/v2/deliverables/{deliverable_id}", "v2_deliverable", _deliverable),
    Route("POST", "/v2/analysis/opportunities", "v2_opportunities", _analyse),
    Route("GET", "/v2/analysis/opportunities/{analysis_id}", "v2_opportunities", _analysis),
)
