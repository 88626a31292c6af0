"""A download host: a catalog whose links carry their own token, with object storage behind it."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from typing import cast

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from orderwatch.simulator.attachments import MEDIA_TYPES, Content
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.journal import ENTRY, noted
from orderwatch.simulator.responses import instead, pour
from orderwatch.simulator.scenario import Attachment
from orderwatch.simulator.state import Link, Simulator
from orderwatch.simulator.world import Place

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def application(simulator: Simulator) -> web.Application:
    app = web.Application(middlewares=[noted(simulator.journal, "download", simulator.seconds)])
    entrance = _redirecting if simulator.scenario.downloads.redirect else _serving
    app.add_routes(
        [
            web.get("/v2/scenes/{scene_id}/attachments/{name}/download/", entrance(simulator)),
            web.get("/storage/{scene_id}/{name}", _serving(simulator)),
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
        delivery = _Delivery(simulator, place, cast("Attachment", link.attachment))
        with _connected(simulator, place.scene.host) as served:
            return await delivery.answer(request, fault) if served else _full(simulator)

    return serve


@contextmanager
def _connected(simulator: Simulator, host: int) -> Iterator[bool]:
    """Yield whether the host accepts another connection."""
    most = simulator.scenario.downloads.connections
    simulator.connections[host] += 1
    try:
        yield not most or simulator.connections[host] <= most
    finally:
        simulator.connections[host] -= 1


def _full(simulator: Simulator) -> web.Response:
    downloads = simulator.scenario.downloads
    later = {} if downloads.retry_after is None else {hdrs.RETRY_AFTER: str(downloads.retry_after)}
    return web.Response(status=downloads.refusal, headers=later, text="too many connections\n")


class _Delivery:
    """One attachment at this moment."""

    def __init__(self, simulator: Simulator, place: Place, name: Attachment) -> None:
        self.switches = simulator.scenario.downloads
        self.name = name
        self.file_name = simulator.world.file_name(place, name)
        self.content: Content = simulator.content(place, name)
        modified = simulator.world.last_modified(place, simulator.seconds())
        self.last_modified = format_datetime(modified, usegmt=True)
        self.date = format_datetime(simulator.now(), usegmt=True)
        self.etag = self.content.etag

    async def answer(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        if fault is not None and fault.kind == "new_etag":
            self.etag = f'"{secrets.token_hex(16)}"'
        etag = self._headers().get(hdrs.ETAG)
        if etag is not None and request.headers.get(hdrs.IF_NONE_MATCH) == etag:
            return web.Response(status=304, headers={hdrs.ETAG: etag})
        span = self._span(request, fault)
        size = self.content.size
        if span is None:
            response = web.StreamResponse(status=200, headers=self._headers())
            span = range(size)
        elif not span:
            return web.Response(status=416, headers={hdrs.CONTENT_RANGE: f"bytes */{size}"})
        else:
            response = web.StreamResponse(status=206, headers=self._headers())
            response.headers[hdrs.CONTENT_RANGE] = f"bytes {span.start}-{span.stop - 1}/{size}"
            if fault is not None and fault.kind == "wrong_total":
                response.headers[hdrs.CONTENT_RANGE] += "0"
        if self.switches.length:
            response.content_length = len(span)
        if request.method == hdrs.METH_HEAD:
            return response
        return await pour(request, response, self.content, span, rate=self.switches.rate, fault=fault)

    def _span(self, request: web.Request, fault: Fault | None) -> range | None:
        """Return the requested range, possibly changed by the fault; None for the whole file."""
        if not self.switches.ranges or request.method != hdrs.METH_GET or not self._unchanged(request):
            return None
        span = parse_range(request.headers.get(hdrs.RANGE, ""), self.content.size)
        if span and fault is not None:
            if fault.kind == "ignore_range":
                return None
            if fault.kind == "wrong_range":
                return range(span.start // 2 if span.start else min(1, span.stop - 1), span.stop)
            if fault.kind == "refuse_range":
                return range(0)
        return span

    def _unchanged(self, request: web.Request) -> bool:
        """Return whether If-Range, if sent, matches exactly (RFC 9110, 13.1.5)."""
        validator = request.headers.get(hdrs.IF_RANGE)
        offered = {self._headers().get(name) for name in (hdrs.ETAG, hdrs.LAST_MODIFIED)}
        return validator is None or validator in offered

    def _headers(self) -> dict[str, str]:
        offered = {
            hdrs.ETAG: (self.switches.etag, self.etag),
            hdrs.LAST_MODIFIED: (self.switches.last_modified, self.last_modified),
            hdrs.ACCEPT_RANGES: (self.switches.ranges, "bytes"),
        }
        return {
            hdrs.DATE: self.date,
            hdrs.CONTENT_TYPE: MEDIA_TYPES[self.name],
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{self.file_name}"',
            **{name: value for name, (on, value) in offered.items() if on},
        }


def parse_range(header: str, size: int) -> range | None:
    """Parse a range of `size` bytes: None if unsupported, empty if beyond the end."""
    match = _RANGE.fullmatch(header.strip())
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size) if last else None
    start, stop = int(first), min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None
    return range(start, stop)


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
