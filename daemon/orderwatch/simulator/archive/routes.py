"""Requests to the archive: searches, of either edition, and the collections."""

from aiohttp import web

from orderwatch.simulator import auth
from orderwatch.simulator.archive.search import found, page
from orderwatch.simulator.auth import json_object
from orderwatch.simulator.responses import json_response
from orderwatch.simulator.routing import Route
from orderwatch.simulator.state import Simulator

_COLLECTIONS = (
    "quickview-visual-thumb", "quickview-visual", "quickview-toa", "l1c", "l1d", "l1d-sr", "l0", "l1a",
    "gaia", "gaia-l1d-sr",
)  # fmt: skip


async def _search(simulator: Simulator, request: web.Request) -> web.Response:
    contracts = auth.contracts_with_reason(simulator, request)
    body = await json_object(request)
    at = simulator.seconds()
    rows = found(simulator, body, contracts, at)
    return json_response(page(simulator, body, rows, f"{simulator.api_url}{request.path}", at))


async def _collections(simulator: Simulator, request: web.Request) -> web.Response:
    auth.contracts_with_reason(simulator, request)
    rows = [{"type": "Collection", "id": name, "title": name} for name in _COLLECTIONS]
    return json_response({"collections": rows})


ROUTES = (
    Route("POST", "/v2/archive/search", "search", _search),
    Route("POST", "/archive/stac/search", "search", _search),
    Route("GET", "/archive/stac/collections", "collections", _collections),
)
