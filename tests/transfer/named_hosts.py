"""Download hosts that identify their files as well-known servers do, over real sockets."""

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from aiohttp import web
from multidict import CIMultiDict

_CHUNK_BYTES = 16 * 1024


@dataclass(frozen=True)
class Served:
    """A file as it lies on the host: `modified` in seconds since 1970, with fractions."""

    data: bytes
    modified: float


Tag = Callable[["NamedHost", Served, str], str | None]


@dataclass(frozen=True)
class Kind:
    """How a server answers. `if_range`: "exact" compares, "until" also takes a later date, "ignored"."""

    tag: Tag
    dates: bool = True
    if_range: str = "exact"
    ranges: bool = True
    names_206: bool = True  # sends its validators with a 206 too
    type_206: str | None = None


def _seconds(_host: "NamedHost", file: Served, _token: str) -> str:
    return f'"{int(file.modified):x}-{len(file.data):x}"'


def _exact_time(_host: "NamedHost", file: Served, _token: str) -> str:
    return f'"{file.modified:.6f}-{len(file.data):x}"'


def _apache(host: "NamedHost", file: Served, token: str) -> str:
    weak = "W/" if host.now - file.modified < 1 else ""
    return weak + _exact_time(host, file, token)


def _weak(host: "NamedHost", file: Served, token: str) -> str:
    return f"W/{_exact_time(host, file, token)}"


def _content(_host: "NamedHost", file: Served, _token: str) -> str:
    return f'"{hashlib.md5(file.data).hexdigest()}"'  # noqa: S324 - as S3 does


def _cached(host: "NamedHost", file: Served, token: str) -> str:
    if host.cached_tag is None:
        host.cached_tag = _content(host, file, token)
    return host.cached_tag


def _of_link(_host: "NamedHost", _file: Served, token: str) -> str:
    return f'"{token}"'


def _none(_host: "NamedHost", _file: Served, _token: str) -> None:
    return None


KINDS: Mapping[str, Kind] = {
    "nginx": Kind(_seconds),
    "apache": Kind(_apache),
    "caddy": Kind(_seconds),
    "lighttpd": Kind(_exact_time),
    "s3": Kind(_content),
    "starlette": Kind(_content, if_range="until"),
    "tornado": Kind(_cached, if_range="ignored"),
    "express": Kind(_weak, if_range="until"),
    "busybox": Kind(_seconds, if_range="ignored", type_206="text/html"),
    "dates only": Kind(_none),
    "dates only, If-Range ignored": Kind(_none, if_range="ignored"),
    "tags only": Kind(_content, dates=False),
    "weak tags only": Kind(_weak, dates=False),
    "tags of the link": Kind(_of_link),
    "tags of the link, no dates": Kind(_of_link, dates=False),
    "nothing": Kind(_none, dates=False),
    "nothing with a 206": Kind(_content, if_range="ignored", names_206=False),
    "no ranges": Kind(_seconds, ranges=False),
}


@dataclass
class NamedHost:
    """One file, which may be replaced. The next answer ends after `cut` bytes of its body."""

    kind: Kind
    file: Served
    now: float
    cut: int | None = None
    sent: int = 0  # bytes of bodies
    asked: list[Mapping[str, str]] = field(default_factory=list)
    cached_tag: str | None = None
    url: str = ""
    links: int = 0

    def link(self) -> str:
        """Another link to the file at each call."""
        self.links += 1
        return f"{self.url}/file?token=t{self.links}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.headers)
        kind, file = self.kind, self.file
        told: dict[str, str | None] = {
            "Date": _http_date(self.now),
            "ETag": kind.tag(self, file, request.query["token"]),
            "Last-Modified": _http_date(file.modified) if kind.dates else None,
        }
        span = self._span(request, told)
        if span is not None and not span:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{len(file.data)}"})
        if span is not None and not kind.names_206:
            told = {"Date": told["Date"]}
        headers = CIMultiDict({name: value for name, value in told.items() if value is not None})
        headers["Content-Type"] = "application/octet-stream"
        if span is not None:
            headers["Content-Type"] = kind.type_206 or headers["Content-Type"]
            headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{len(file.data)}"
        response = web.StreamResponse(status=200 if span is None else 206, headers=headers)
        return await self._pour(request, response, file.data if span is None else file.data[span.start :])

    def _span(self, request: web.Request, told: Mapping[str, str | None]) -> range | None:
        match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if not self.kind.ranges or match is None or not self._agrees(request.headers.get("If-Range"), told):
            return None
        return range(int(match[1]), len(self.file.data))

    def _agrees(self, condition: str | None, told: Mapping[str, str | None]) -> bool:
        if condition is None or self.kind.if_range == "ignored":
            return True
        modified = told["Last-Modified"]
        if self.kind.if_range == "until" and modified and not condition.endswith('"'):
            return parsedate_to_datetime(modified) <= parsedate_to_datetime(condition)
        return condition in {told["ETag"], modified} and not condition.startswith("W/")

    async def _pour(
        self, request: web.Request, response: web.StreamResponse, body: bytes
    ) -> web.StreamResponse:
        response.content_length = len(body)
        stop, self.cut = len(body) if self.cut is None else self.cut, None
        await response.prepare(request)
        for at in range(0, min(stop, len(body)), _CHUNK_BYTES):
            piece = body[at : min(at + _CHUNK_BYTES, stop)]
            try:
                await response.write(piece)
            except ConnectionError:  # the other side has seen enough
                return response
            self.sent += len(piece)
        if stop < len(body) and request.transport is not None:
            request.transport.close()
        return response

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["NamedHost"]:
        app = web.Application()
        app.add_routes([web.get("/file", self.answer, allow_head=False)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()


def _http_date(at: float) -> str:
    return format_datetime(datetime.fromtimestamp(int(at), UTC), usegmt=True)
