"""The HTTP server: bounded in connections and time, and it only answers GET and HEAD."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from orderwatch.web.guard import Guard

log = structlog.get_logger()

_CONNECTIONS = 64
_LIFE = 15.0  # seconds of a connection, which carries one answer
_PATIENCE = 10.0  # seconds for one answer

# What strangers send wrong is no trouble of ours; aiohttp would log a traceback for each.
_unheard = logging.getLogger("orderwatch.web.unheard")
_unheard.setLevel(logging.CRITICAL + 1)

Report = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What is served. A report is sound where its `ok` is true; metrics come as `Accept` wants them."""

    health: Callable[[], Awaitable[Report]]
    readiness: Callable[[], Awaitable[Report]]
    metrics: Callable[[str], Awaitable[tuple[bytes, str]]]


@asynccontextmanager
async def serving(address: str, pages: Pages) -> AsyncIterator[int]:
    """Serve at "host:port" meanwhile; yields the port. `OSError` where that is not to be had."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    runner = web.AppRunner(
        _application(Guard(host), pages),
        access_log=None,
        logger=_unheard,
        keepalive_timeout=_LIFE,
        lingering_time=1.0,
        shutdown_timeout=1.0,
    )
    await runner.setup()
    try:
        assert runner.server is not None  # noqa: S101 - it is set up
        loop = asyncio.get_running_loop()
        server = await loop.create_server(_bounded(runner.server), host, int(port), backlog=16)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
    finally:
        await runner.cleanup()


def _bounded(server: web.Server) -> Callable[[], asyncio.Protocol]:
    """Whoever drips bytes, or holds many connections, keeps nobody else out for long."""
    loop = asyncio.get_running_loop()

    def connected() -> asyncio.Protocol:
        if len(server.connections) >= _CONNECTIONS:
            return _Refusal()
        handler = server()
        loop.call_later(_LIFE, handler.force_close)
        return handler

    return connected


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _application(guard: Guard, pages: Pages) -> web.Application:
    async def metrics(request: web.Request) -> web.Response:
        body, kind = await pages.metrics(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: kind})

    app = web.Application(middlewares=[_guarded(guard)])
    app.router.add_get("/healthz", _reported(pages.health))
    app.router.add_get("/readyz", _reported(pages.readiness))
    app.router.add_get("/metrics", metrics)
    app.on_response_prepare.append(_plain)
    return app


def _reported(ask: Callable[[], Awaitable[Report]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def report(request: web.Request) -> web.Response:
        del request
        said = await ask()
        status = HTTPStatus.OK if said["ok"] else HTTPStatus.SERVICE_UNAVAILABLE
        return web.json_response(said, status=status, dumps=lambda value: json.dumps(value) + "\n")

    return report


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _guarded(guard: Guard) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            _must_be_welcome(request, guard)
            async with asyncio.timeout(_PATIENCE):
                response = await handler(request)
        except TimeoutError:
            response = web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text="503: no answer in time\n")
        except web.HTTPException as refusal:
            refusal.force_close()
            raise
        except Exception:
            log.exception("http.failed", path=request.path)
            response = web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, text="500: see the log\n")
        response.force_close()
        return response

    return middleware


def _must_be_welcome(request: web.Request, guard: Guard) -> None:
    hosts = request.headers.getall(hdrs.HOST, [])
    if len(hosts) != 1 or not guard.knows(hosts[0]):
        raise web.HTTPMisdirectedRequest(text="421: ask for this host by its own name\n")
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and not guard.same(origin, hosts[0]):
        raise web.HTTPForbidden(text="403: not for pages of other sites\n")


async def _plain(request: web.Request, response: web.StreamResponse) -> None:
    del request
    response.headers.popall(hdrs.SERVER, None)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
