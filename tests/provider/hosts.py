"""Servers of a few lines, over real sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.provider.kit import PLATFORM

from orderwatch.provider.credentials import Credentials

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Host:
    """A real server; `heard` holds what was asked of it."""

    reply: Answer
    heard: list[web.BaseRequest] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.heard.append(request)
        assert isinstance(request, web.Request)
        return await self.reply(request)

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.handle)
        server = TestServer(application)
        await server.start_server(ssl=tls)
        try:
            yield str(server.make_url("/")).rstrip("/")
        finally:
            await server.close()


async def give_token(_request: web.Request) -> web.Response:
    return web.json_response({"access_token": "canary-token", "expires_in": 86400})


def at(url: str, token_url: str | None = None) -> Credentials:
    return replace(PLATFORM, token_url=token_url or f"{url}/oauth/token", accounts_url=url, api_url=url)


def with_tokens(reply: Answer) -> Host:
    async def either(request: web.Request) -> web.StreamResponse:
        return await (give_token(request) if request.path == "/oauth/token" else reply(request))

    return Host(either)


@asynccontextmanager
async def saying(raw: bytes) -> AsyncIterator[str]:
    """A server that answers every connection with these bytes and hangs up."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"
