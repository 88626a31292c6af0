"""Answers that are written and not taken yet: bounded over all viewers, lest slow ones cost much memory."""

import asyncio
from weakref import WeakSet

from aiohttp import web

_MOST = 32_000_000  # bytes that wait to be taken
_SMALL = 64_000  # bytes of an answer that is given whatever waits


class Backpressure:
    """Of one server."""

    def __init__(self) -> None:
        self._transports: WeakSet[asyncio.WriteTransport] = WeakSet()

    def admits(self, request: web.Request, answer: web.StreamResponse) -> bool:
        """Whether it may be written too; one that is larger than all that may wait has to be alone."""
        size = answer.content_length or 0
        waiting = sum(transport.get_write_buffer_size() for transport in self._transports)
        if size > _SMALL and waiting and waiting + size > _MOST:
            return False
        if isinstance(request.transport, asyncio.WriteTransport):
            self._transports.add(request.transport)
        return True
