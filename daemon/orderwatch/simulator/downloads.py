"""A download host: a catalog whose links carry their own token, with object storage behind it."""

from typing import cast

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from orderwatch.simulator.assets.routes import BUCKET_PATH, bucket
from orderwatch.simulator.attachments import MEDIA_TYPES
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.journal import ENTRY, noted
from orderwatch.simulator.responses import instead
from orderwatch.simulator.scenario import Attachment
from orderwatch.simulator.serving import Served, answer
from orderwatch.simulator.state import Link, Simulator
from orderwatch.simulator.world import Place


def application(simulator: Simulator) -> web.Application:
    app = web.Application(middlewares=[noted(simulator.journal, "download", simulator.seconds)])
    entrance = _redirecting if simulator.scenario.downloads.redirect else _serving
    app.add_routes(
        [
            web.get("/v2/scenes/{scene_id}/attachments/{name}/download/", entrance(simulator)),
            web.get("/storage/{scene_id}/{name}", _serving(simulator)),
            web.get(BUCKET_PATH, bucket(simulator)),
        ]
    )
    return app


def _redirecting(simulator: Simulator) -> Handler:
    async def redirect(request: web.Request) -> web.StreamResponse:
        if (refusal := _refusal(simulator, request)) is not None:
            return refusal
        link = _link(request)
        location = f"{request.url.origin()}/storage/{link.scene_id}/{link.attachment}?{request.query_string}"
        return web.Response(status=302, headers={hdrs.LOCATION: location})

    return redirect


def _serving(simulator: Simulator) -> Handler:
    async def serve(request: web.Request) -> web.StreamResponse:
        link = _link(request)
        place = simulator.world.place(link.scene_id, simulator.seconds())
        fault = _due(simulator, request, link, place)
        if fault is not None:
            if fault.kind == "expire":
                simulator.links.revoke(_token(request))
            if (lie := await instead(request, fault)) is not None:
                return lie
        if (refusal := _refusal(simulator, request)) is not None:
            return refusal
        if place is None:
            return web.Response(status=404, text="no such scene\n")
        served = _file(simulator, place, cast("Attachment", link.attachment))
        return await answer(simulator, request, served, fault)

    return serve


def _file(simulator: Simulator, place: Place, name: Attachment) -> Served:
    return Served(
        content=simulator.content(place, name),
        file_name=simulator.world.file_name(place, name),
        media_type=MEDIA_TYPES[name],
        last_modified=simulator.world.last_modified(place, simulator.seconds()),
        host=place.scene.host,
    )


def _due(simulator: Simulator, request: web.Request, link: Link, place: Place | None) -> Fault | None:
    facts: dict[str, object] = {
        "path": request.path,
        "scene_id": link.scene_id,
        "attachment": link.attachment,
    }
    if place is not None:
        facts |= {
            "task_id": place.order.task_id,
            "capture_id": place.capture.capture_id,
            "host": place.scene.host,
        }
    return simulator.faults.due("download", facts, ranged=hdrs.RANGE in request.headers)


def _refusal(simulator: Simulator, request: web.Request) -> web.Response | None:
    if leaked := request[ENTRY].leaked:
        # Object storage rejects foreign credentials.
        return web.Response(status=400, text=f"unexpected credentials: {', '.join(leaked)}\n")
    if simulator.links.meaning(_token(request)) != _link(request):
        return web.Response(status=403, text="the link has expired\n")
    return None


def _link(request: web.Request) -> Link:
    return Link(request.match_info["scene_id"], request.match_info["name"])


def _token(request: web.Request) -> str:
    return request.query.get("token", "")
