"""Viewers that take slowly what they asked for: together they hold no more memory than one large answer."""

import asyncio
from contextlib import suppress

from aiohttp import web
from tests.patience import PATIENCE
from tests.web.api_kit import asked
from tests.web.stub_pages import pages_with

from orderwatch.web.server.app import serving

SIZE = 30_000_000


def add_large(app: web.Application) -> None:
    async def large(request: web.Request) -> web.Response:
        del request
        return web.Response(body=bytes(SIZE))

    app.router.add_get("/large", large)


async def test_who_takes_nothing_of_a_large_answer_keeps_others_from_one_only_until_it_leaves() -> None:
    async with serving("127.0.0.1:0", pages_with(add_large)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /large HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")  # and no more of it
        status, headers, body = await asked(port, "/large")
        assert (status, body) == (503, b"503: too many answers are waiting for slow clients\n")
        assert headers["retry-after"] == "30"
        assert (await asked(port, "/healthz"))[0] == 200
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()
        async with asyncio.timeout(PATIENCE):
            while status == 503:
                status, _, body = await asked(port, "/large")
        assert (status, len(body)) == (200, SIZE)
