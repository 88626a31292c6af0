"""The HTTP server, with limits on connections and time."""

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
from multidict import CIMultiDict

from orderwatch.core.listen_address import host_and_port, socket_of
from orderwatch.errors import DatabaseError
from orderwatch.web.server.access_control import GUARD, AccessControl
from orderwatch.web.server.backpressure import Backpressure
from orderwatch.web.server.connections import MAX_AGE_SECONDS, Connections
from orderwatch.web.server.downloads import DOWNLOADS
from orderwatch.web.server.sockets import open_socket
from orderwatch.web.server.sse import DEADLINE, STREAM_RESPONSE, STREAMS

log = structlog.get_logger()

_MAX_CONNECTIONS = 128  # without streams and downloads
_ANSWER_TIMEOUT_SECONDS = 10.0
_RETRY_AFTER_SECONDS = "30"

_UNAUTHORIZED = "401: the token is required, as the password of any user\n"
# One header each: Chromium reads only the first challenge of a header.
_CHALLENGES = ('Bearer realm="orderwatch"', 'Basic realm="orderwatch", charset="UTF-8"')
_HEADERS = {  # unless an answer has its own
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    hdrs.CACHE_CONTROL: "no-store",
}

# Invalid requests are not a problem of the daemon; aiohttp would log a traceback for each.
_ignored = logging.getLogger("orderwatch.web.ignored")
_ignored.setLevel(logging.CRITICAL + 1)

Report = Mapping[str, object]
Routes = Callable[[web.Application], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPages:
    """The content to serve: reports with `ok`, metrics by the `Accept` header, and further `routes`."""

    health: Callable[[], Awaitable[Report]]
    readiness: Callable[[], Awaitable[Report]]
    metrics: Callable[[str], Awaitable[tuple[bytes, str]]]
    routes: Sequence[Routes] = ()


@asynccontextmanager
async def serving(
    address: str,
    pages: ServedPages,
    *,
    hosts: Sequence[str] = (),
    token: str = "",
    actions: bool = False,
    files: bool = False,
    user_header: str = "",
) -> AsyncIterator[int]:
    """Serves at "host:port" or "unix:/path"; yields the port, 0 for a socket file.

    The other arguments are those of `AccessControl`. Raises `OSError` if it cannot listen there.
    """
    host = "localhost" if socket_of(address) else host_and_port(address)[0]
    guard = AccessControl(host, hosts, token, actions=actions, files=files, user_header=user_header)
    connections = Connections()
    runner = web.AppRunner(
        _application(guard, pages, connections),
        access_log=None,
        logger=_ignored,
        keepalive_timeout=MAX_AGE_SECONDS,
        lingering_time=1.0,
        shutdown_timeout=1.0,
    )
    await runner.setup()
    try:
        assert runner.server is not None  # noqa: S101 - it is set up
        async with open_socket(address, connections.bounded(runner.server)) as port:
            yield port
    finally:
        connections.end()
        await runner.cleanup()


def _application(guard: AccessControl, pages: ServedPages, connections: Connections) -> web.Application:
    async def metrics(request: web.Request) -> web.Response:
        body, kind = await pages.metrics(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: kind})

    app = web.Application(middlewares=[_guarded(guard, connections)])
    app[STREAMS] = connections.streams
    app[DOWNLOADS] = connections.downloads
    app[GUARD] = guard
    app.router.add_get("/healthz", _reported(pages.health))
    app.router.add_get("/readyz", _reported(pages.readiness))
    app.router.add_get("/metrics", metrics)
    for add in pages.routes:
        add(app)
    app.on_response_prepare.append(_set_headers)
    return app


def _reported(ask: Callable[[], Awaitable[Report]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def report(request: web.Request) -> web.Response:
        del request
        answer = await ask()
        status = HTTPStatus.OK if answer["ok"] else HTTPStatus.SERVICE_UNAVAILABLE
        return web.json_response(answer, status=status, dumps=lambda value: json.dumps(value) + "\n")

    return report


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _guarded(guard: AccessControl, connections: Connections) -> Middleware:
    outgoing = Backpressure()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            _check_access(request, guard)
            with connections.answering(request):
                async with asyncio.timeout(_ANSWER_TIMEOUT_SECONDS) as request[DEADLINE]:
                    response = await handler(request)
        except TimeoutError:
            response = _unavailable(request, "no answer in time")
        except DatabaseError as error:  # logged by the workers
            response = _unavailable(request, str(error))
        except web.HTTPException as refusal:
            refusal.force_close()
            raise
        except Exception:
            log.exception("http.failed", path=request.path)
            response = web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, text="500: see the log\n")
        answer: web.StreamResponse = request.get(STREAM_RESPONSE, response)  # unless a stream has begun
        if not answer.prepared and not outgoing.admits(request, answer):
            answer = _unavailable(request, "too many answers are waiting for slow clients")
        if answer.prepared or not connections.may_stay(request):
            answer.force_close()
        return answer

    return middleware


def _unavailable(request: web.Request, reason: str) -> web.Response:
    headers = {hdrs.RETRY_AFTER: _RETRY_AFTER_SECONDS}
    status = HTTPStatus.SERVICE_UNAVAILABLE
    if request.path.startswith("/api/"):
        text, kind = json.dumps({"error": reason}), "application/json"
    else:
        text, kind = f"503: {reason}\n", "text/plain"
    return web.Response(text=text, content_type=kind, status=status, headers=headers)


def _check_access(request: web.Request, guard: AccessControl) -> None:
    hosts = request.headers.getall(hdrs.HOST, [])
    if len(hosts) != 1 or not guard.knows(hosts[0]):
        raise web.HTTPMisdirectedRequest(text="421: not a name of this server; see [http] hosts\n")
    origin = request.headers.get(hdrs.ORIGIN)
    if _is_cross_site(request) or (origin is not None and not guard.same(origin, hosts[0])):
        raise web.HTTPForbidden(text="403: requests of other sites are rejected\n")
    if not guard.admits(request.headers.get(hdrs.AUTHORIZATION, "")):
        headers = CIMultiDict((hdrs.WWW_AUTHENTICATE, challenge) for challenge in _CHALLENGES)
        raise web.HTTPUnauthorized(text=_UNAUTHORIZED, headers=headers)


def _is_cross_site(request: web.Request) -> bool:
    """Returns whether a page of another site sent the request, except by a link that was followed."""
    fetch = {name: request.headers.get(f"Sec-Fetch-{name}") for name in ("Site", "Mode", "Dest")}
    followed = request.method == hdrs.METH_GET and (fetch["Mode"], fetch["Dest"]) == ("navigate", "document")
    return fetch["Site"] == "cross-site" and not followed


async def _set_headers(request: web.Request, response: web.StreamResponse) -> None:
    del request
    response.headers.popall(hdrs.SERVER, None)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
