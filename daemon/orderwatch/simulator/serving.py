"""Serves a file: ranges, validators and the switches of `[downloads]`."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import format_datetime
from typing import NamedTuple

from aiohttp import hdrs, web

from orderwatch.simulator.attachments import Content
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.responses import pour
from orderwatch.simulator.state import Simulator

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Served(NamedTuple):
    """A file at this moment; `host` is the number of its download host, None at the API."""

    content: Content
    file_name: str
    media_type: str
    last_modified: datetime
    host: int | None


async def answer(
    simulator: Simulator, request: web.Request, served: Served, fault: Fault | None
) -> web.StreamResponse:
    """Answer a GET or HEAD request for the file, as its headers and the fault demand."""
    with _connected(simulator, served.host) as accepted:
        if not accepted:
            return _full(simulator)
        return await _Response(simulator, served).answer(request, fault)


@contextmanager
def _connected(simulator: Simulator, host: int | None) -> Iterator[bool]:
    """Yield whether the host accepts another connection."""
    most = simulator.scenario.downloads.connections
    if host is None:
        yield True
        return
    simulator.connections[host] += 1
    try:
        yield not most or simulator.connections[host] <= most
    finally:
        simulator.connections[host] -= 1


def _full(simulator: Simulator) -> web.Response:
    downloads = simulator.scenario.downloads
    later = {} if downloads.retry_after is None else {hdrs.RETRY_AFTER: str(downloads.retry_after)}
    return web.Response(status=downloads.refusal, headers=later, text="too many connections\n")


class _Response:
    def __init__(self, simulator: Simulator, served: Served) -> None:
        self.switches = simulator.scenario.downloads
        self.served = served
        self.content = served.content
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
        modified = format_datetime(self.served.last_modified, usegmt=True)
        offered = {
            hdrs.ETAG: (self.switches.etag, self.etag),
            hdrs.LAST_MODIFIED: (self.switches.last_modified, modified),
            hdrs.ACCEPT_RANGES: (self.switches.ranges, "bytes"),
        }
        return {
            hdrs.DATE: self.date,
            hdrs.CONTENT_TYPE: self.served.media_type,
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{self.served.file_name}"',
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
