"""Asset bytes at the API, which needs the account, and in the bucket, which refuses it."""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from orderwatch.simulator import auth
from orderwatch.simulator.assets.images import Image, content, kind_of
from orderwatch.simulator.assets.links import BUCKET_PREFIX, is_valid, signed
from orderwatch.simulator.auth import Refused
from orderwatch.simulator.documents import Document
from orderwatch.simulator.faults import Fault, On
from orderwatch.simulator.journal import ENTRY
from orderwatch.simulator.orders import Order
from orderwatch.simulator.responses import instead, json_response
from orderwatch.simulator.serving import Served, answer
from orderwatch.simulator.state import Simulator

PATHS = ("/assets/{collection}/{image_id}/{key}", "/deliverables/{image_id}/{key}")
_BUCKET_HOST = 0
BUCKET_PATH = BUCKET_PREFIX + "{folder:.+}/{file_name}"


def serving(simulator: Simulator) -> Handler:
    """Return the handler of assets at the API."""

    async def serve(request: web.Request) -> web.StreamResponse:
        image_id, key = request.match_info["image_id"], request.match_info["key"]
        found = simulator.index.image(image_id, simulator.seconds())
        fault = _due(simulator, request, "asset", _facts(found, image_id, key))
        if fault is not None:
            if fault.kind == "expire":
                auth.revoke(simulator, request)
            if (lie := await instead(request, fault)) is not None:
                return lie
        try:
            image = _permitted(simulator, request, found)
        except Refused as refused:
            return json_response(refused.document, refused.status)
        if simulator.scenario.assets.answer == "redirect":
            return web.Response(status=302, headers={hdrs.LOCATION: signed(simulator, image, key)})
        return await answer(simulator, request, _served(simulator, image, key, None), fault)

    return serve


def bucket(simulator: Simulator) -> Handler:
    """Return the handler of the bucket."""

    async def serve(request: web.Request) -> web.StreamResponse:
        found = simulator.index.named(request.match_info["file_name"], simulator.seconds())
        image, order, key = found or (None, None, "")
        known = None if image is None or order is None else (image, order)
        fault = _due(simulator, request, "download", _facts(known, "", key))
        if fault is not None and (lie := await instead(request, fault)) is not None:
            return lie
        if leaked := request[ENTRY].leaked:
            return web.Response(status=400, text=f"unexpected credentials: {', '.join(leaked)}\n")
        expired = fault is not None and fault.kind == "expire"
        if expired or not is_valid(simulator, request):
            return _error(403, "AccessDenied", "Request has expired")
        if image is None or f"{BUCKET_PREFIX}{image.bucket_path(key)}" != request.path:
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        return await answer(simulator, request, _served(simulator, image, key, _BUCKET_HOST), fault)

    return serve


def _permitted(simulator: Simulator, request: web.Request, found: tuple[Image, Order] | None) -> Image:
    contracts = auth.contracts_of(simulator, request)
    key = request.match_info["key"]
    if found is None or key not in found[0].assets:
        raise Refused(404, {"message": "Not Found"})
    image, order = found
    is_theirs = simulator.scenario.contract_of(order) in contracts
    if not is_theirs or not simulator.scenario.assets.entitled:
        raise Refused(403, {"message": "Forbidden"})
    if not request.path.startswith(f"{image.path}/") or request.query.get("s") != image.s3(key):
        raise Refused(404, {"message": "Not Found"})
    return image


def _served(simulator: Simulator, image: Image, key: str, host: int | None) -> Served:
    return Served(
        content=content(image, key),
        file_name=image.file_name(key),
        media_type=kind_of(key).media_type,
        last_modified=simulator.world.moment(image.modified),
        host=host,
    )


def _facts(found: tuple[Image, Order] | None, image_id: str, key: str) -> Document:
    if found is None:
        return {"scene_id": image_id, "attachment": key}
    image, order = found
    return {
        "scene_id": image.image_id,
        "attachment": key,
        "capture_id": image.capture_id,
        "task_id": order.task_id,
        "order_id": order.order_id,
        "host": _BUCKET_HOST,
    }


def _due(simulator: Simulator, request: web.Request, on: On, facts: Document) -> Fault | None:
    facts |= {"path": request.path, "account": request[ENTRY].account}
    return simulator.faults.due(on, facts, ranged=hdrs.RANGE in request.headers)


def _error(status: int, code: str, message: str) -> web.Response:
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")
