"""The HTTP server: bounded in connections and time, and it only answers GET and HEAD."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from orderwatch.core.listen_address import host_and_port, socket_of
from orderwatch.errors import DatabaseError
from orderwatch.web.server.access_control import AccessControl
from orderwatch.web.server.backpressure import Backpressure
from orderwatch.web.server.sockets import open_socket
from orderwatch.web.server.sse import BEGUN, PATIENCE, STREAMS, Streams

log = structlog.get_logger()

_CONNECTIONS = 128  # beside the streams
_LIFE = 15.0  # seconds of a connection, which carries one answer
_LINGER = 45.0  # seconds more for a slow viewer to take what is written
_PATIENCE = 10.0  # seconds for one answer
_LATER = "30"  # seconds

_UNWELCOME = "401: the token is wanted, as the password of any user\n"
_ASKS = 'Bearer realm="orderwatch", Basic realm="orderwatch", charset="UTF-8"'
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

# What strangers send wrong is no trouble of ours; aiohttp would log a traceback for each.
_unheard = logging.getLogger("orderwatch.web.unheard")
_unheard.setLevel(logging.CRITICAL + 1)

Report = Mapping[str, object]
Routes = Callable[[web.Application], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPages:
    """What is served. A report is sound where its `ok` is true; metrics come as `Accept` wants them.

    Each of `routes` adds more to an application that is made.
    """

    health: Callable[[], Awaitable[Report]]
    readiness: Callable[[], Awaitable[Report]]
    metrics: Callable[[str], Awaitable[tuple[bytes, str]]]
    routes: Sequence[Routes] = ()


@asynccontextmanager
async def serving(
    address: str, pages: ServedPages, *, hosts: Sequence[str] = (), token: str = ""
) -> AsyncIterator[int]:
    """Serve at "host:port" or "unix:/path" meanwhile; yields the port, 0 of a socket file.

    `hosts` are answered to as well; with a `token`, only whoever sends it is answered. `OSError` where
    the address is not to be had.
    """
    host = "localhost" if socket_of(address) else host_and_port(address)[0]
    streams = Streams()
    runner = web.AppRunner(
        _application(AccessControl(host, hosts, token), pages, streams),
        access_log=None,
        logger=_unheard,
        keepalive_timeout=_LIFE,
        lingering_time=1.0,
        shutdown_timeout=1.0,
    )
    await runner.setup()
    try:
        assert runner.server is not None  # noqa: S101 - it is set up
        async with open_socket(address, _bounded(runner.server, streams)) as port:
            yield port
    finally:
        streams.end()
        await runner.cleanup()


def _bounded(server: web.Server, streams: Streams) -> Callable[[], asyncio.Protocol]:
    """Whoever drips bytes, or holds many connections, keeps nobody else out for long."""
    loop = asyncio.get_running_loop()

    def connected() -> asyncio.Protocol:
        streams.end_deserted()
        if len(server.connections) - len(streams) >= _CONNECTIONS:
            return _Refusal()
        handler = server()
        loop.call_later(_LIFE, over, handler)
        return handler

    def over(handler: web.RequestHandler) -> None:
        transport = handler.transport
        if transport is not None and not streams.held(handler):
            handler.force_close()
            loop.call_later(_LINGER, transport.abort)

    return connected


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _application(guard: AccessControl, pages: ServedPages, streams: Streams) -> web.Application:
    async def metrics(request: web.Request) -> web.Response:
        body, kind = await pages.metrics(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: kind})

    app = web.Application(middlewares=[_guarded(guard)])
    app[STREAMS] = streams
    app.router.add_get("/healthz", _reported(pages.health))
    app.router.add_get("/readyz", _reported(pages.readiness))
    app.router.add_get("/metrics", metrics)
    for add in pages.routes:
        add(app)
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


def _guarded(guard: AccessControl) -> Middleware:
    outgoing = Backpressure()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            _must_be_welcome(request, guard)
            async with asyncio.timeout(_PATIENCE) as request[PATIENCE]:
                response = await handler(request)
        except TimeoutError:
            response = _unavailable(request, "no answer in time")
        except DatabaseError as error:  # the log has it from those who work with it
            response = _unavailable(request, str(error))
        except web.HTTPException as refusal:
            refusal.force_close()
            raise
        except Exception:
            log.exception("http.failed", path=request.path)
            response = web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, text="500: see the log\n")
        answer: web.StreamResponse = request.get(BEGUN, response)  # there is no second one after it
        if not outgoing.admits(request, answer):
            answer = _unavailable(request, "others have yet to take their answers")
        answer.force_close()
        return answer

    return middleware


def _unavailable(request: web.Request, reason: str) -> web.Response:
    headers = {hdrs.RETRY_AFTER: _LATER}
    status = HTTPStatus.SERVICE_UNAVAILABLE
    if request.path.startswith("/api/"):
        said, kind = json.dumps({"error": reason}), "application/json"
    else:
        said, kind = f"503: {reason}\n", "text/plain"
    return web.Response(text=said, content_type=kind, status=status, headers=headers)


def _must_be_welcome(request: web.Request, guard: AccessControl) -> None:
    hosts = request.headers.getall(hdrs.HOST, [])
    if len(hosts) != 1 or not guard.knows(hosts[0]):
        raise web.HTTPMisdirectedRequest(text="421: ask for this host by its own name\n")
    origin = request.headers.get(hdrs.ORIGIN)
    if _of_another_site(request) or (origin is not None and not guard.same(origin, hosts[0])):
        raise web.HTTPForbidden(text="403: not for pages of other sites\n")
    if not guard.admits(request.headers.get(hdrs.AUTHORIZATION, "")):
        raise web.HTTPUnauthorized(text=_UNWELCOME, headers={hdrs.WWW_AUTHENTICATE: _ASKS})


def _of_another_site(request: web.Request) -> bool:
    """A link that somebody followed is not: its answer goes to no other page."""
    fetch = {name: request.headers.get(f"Sec-Fetch-{name}") for name in ("Site", "Mode", "Dest")}
    followed = request.method == hdrs.METH_GET and (fetch["Mode"], fetch["Dest"]) == ("navigate", "document")
    return fetch["Site"] == "cross-site" and not followed


async def _plain(request: web.Request, response: web.StreamResponse) -> None:
    del request
    response.headers.popall(hdrs.SERVER, None)
    response.headers.update(_HEADERS)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
