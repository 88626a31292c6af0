"""A proxy before the object store that counts the requests and spoils some of them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from io import BytesIO

import aiohttp
from aiohttp import web
from tests.object_store import Server

from orderwatch.transfer.s3.client import Access

_HOP = {"transfer-encoding", "connection", "content-length", "content-encoding", "date", "server"}
_ERROR = "<Error><Code>{}</Code><Message>of the tests, with a canary-in-the-message</Message></Error>"
_UPLOADS = (
    "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated><Upload><Key>{key}</Key>"
    "<UploadId>{upload}</UploadId><Initiated>{begun}</Initiated></Upload></ListMultipartUploadsResult>"
)
_MAX_BYTES = 2**26

Meddle = Callable[["Seen"], Awaitable[web.Response | None]]


@dataclass(frozen=True)
class Seen:
    """A request, by its number from 1; `is_answered` once the store has done what it asks."""

    number: int
    method: str
    path: str
    query: str
    is_answered: bool

    @property
    def kind(self) -> str:
        """What S3 calls it."""
        if self.method == "POST":
            return "complete" if "uploadId=" in self.query else "create"
        if self.method == "PUT":
            return "part" if "uploadId=" in self.query else "put"
        if self.method == "GET":
            return "list" if "list-type" in self.query or "uploads" in self.query else "get"
        return "abort" if "uploadId=" in self.query else self.method.lower()


async def never(_: Seen) -> web.Response | None:
    """Meddle with nothing."""
    return None


class CutError(Exception):
    """Raised by a meddler to close the connection without an answer."""


@dataclass
class Proxy:
    """Calls `meddle` before and after the store has acted: it may answer itself, or raise `CutError`."""

    server: Server
    port: int = 0
    meddle: Meddle = never
    seen: list[Seen] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def access(self) -> Access:
        return replace(self.server.access, endpoint=self.endpoint)

    async def answer(self, request: web.Request, session: aiohttp.ClientSession) -> web.StreamResponse:
        body = await request.read()
        seen = Seen(len(self.seen) + 1, request.method, request.path, request.query_string, is_answered=False)
        self.seen.append(seen)
        try:
            if (own := await self.meddle(seen)) is not None:
                return own
            async with session.request(
                request.method,
                f"{self.server.endpoint}{request.raw_path}",
                data=BytesIO(body),
                headers={
                    **{k: v for k, v in request.headers.items() if k.lower() not in _HOP},
                    "Content-Length": str(len(body)),
                },
                skip_auto_headers=["Content-Type", "User-Agent", "Accept"],
            ) as answer:
                content = await answer.read()
            if (own := await self.meddle(replace(seen, is_answered=True))) is not None:
                return own
        except CutError:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        headers = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
        if request.method == "HEAD":
            headers["Content-Length"] = answer.headers.get("Content-Length", "0")
        return web.Response(status=answer.status, body=content, headers=headers)


def error(status: int, code: str) -> web.Response:
    """Return an answer of S3."""
    return web.Response(status=status, text=_ERROR.format(code), content_type="application/xml")


def listed(key: str, upload: str, begun: datetime) -> web.Response:
    """Return an answer of S3 that lists one upload."""
    text = _UPLOADS.format(key=key, upload=upload, begun=begun.isoformat())
    return web.Response(text=text, content_type="application/xml")


@asynccontextmanager
async def proxying(server: Server) -> AsyncIterator[Proxy]:
    proxy = Proxy(server)
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def handle(request: web.Request) -> web.StreamResponse:
            return await proxy.answer(request, session)

        app = web.Application(client_max_size=_MAX_BYTES)
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        proxy.port = runner.addresses[0][1]
        try:
            yield proxy
        finally:
            await runner.cleanup()
