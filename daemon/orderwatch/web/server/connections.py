"""Limits the connections of a server, and how long each stays open."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import hdrs, web

from orderwatch.web.server.downloads import Downloads
from orderwatch.web.server.sse import Streams

MAX_AGE_SECONDS = 15.0
_MAX_CONNECTIONS = 128  # without streams and downloads
_MAX_KEPT_CONNECTIONS = 64  # from here on each carries one answer
_LINGER_SECONDS = 45.0  # in addition, for a slow client to read the answer


class Connections:
    """Counts the connections of one server; `streams` and `downloads` have limits of their own."""

    def __init__(self) -> None:
        self.streams = Streams()
        self.downloads = Downloads()
        self._answering: set[asyncio.BaseProtocol] = set()
        self._server: web.Server | None = None

    def bounded(self, server: web.Server) -> Callable[[], asyncio.Protocol]:
        """Returns a protocol factory that limits connections, and ends slow ones."""
        self._server = server
        loop = asyncio.get_running_loop()

        def connect() -> asyncio.Protocol:
            self.streams.end_disconnected()
            if self._number >= _MAX_CONNECTIONS:
                return _Refusal()
            handler = server()
            loop.call_later(MAX_AGE_SECONDS, self._expire, handler)
            return handler

        return connect

    @contextmanager
    def answering(self, request: web.Request) -> Iterator[None]:
        """Lets the connection live until the body ends."""
        self._answering.add(request.protocol)
        try:
            yield
        finally:
            self._answering.discard(request.protocol)

    def may_stay(self, request: web.Request) -> bool:
        """Returns whether the connection may carry another request; only browsers name `keep-alive`.

        A page that follows changes is requested each second, and to connect costs more than its answer.
        """
        asked = request.headers.get(hdrs.CONNECTION, "").lower() == "keep-alive"
        return asked and self._number < _MAX_KEPT_CONNECTIONS

    def end(self) -> None:
        self.streams.end()
        self.downloads.end()

    @property
    def _number(self) -> int:
        connections = len(self._server.connections) if self._server else 0
        return connections - len(self.streams) - len(self.downloads)

    def _expire(self, handler: web.RequestHandler) -> None:
        transport = handler.transport
        if transport is None or self.streams.held(handler) or self.downloads.held(handler):
            return
        if handler in self._answering:
            handler.close()  # after the answer
        else:
            handler.force_close()
        asyncio.get_running_loop().call_later(_LINGER_SECONDS, transport.abort)


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
