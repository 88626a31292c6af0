"""Limits the memory of answers that slow clients have not read yet."""

import asyncio
from weakref import WeakSet

from aiohttp import web

_MAX_WAITING_BYTES = 32_000_000
_SMALL_ANSWER_BYTES = 64_000  # always sent


class Backpressure:
    """Counts the unread bytes of one server's answers."""

    def __init__(self) -> None:
        self._transports: WeakSet[asyncio.WriteTransport] = WeakSet()

    def admits(self, request: web.Request, answer: web.StreamResponse) -> bool:
        """Returns whether the answer may be written now; one above the limit only while nothing waits."""
        size = answer.content_length or 0
        if size > _SMALL_ANSWER_BYTES and not self._has_room(size):
            return False
        if isinstance(request.transport, asyncio.WriteTransport):
            self._transports.add(request.transport)
        return True

    def _has_room(self, size: int) -> bool:
        waiting = sum(transport.get_write_buffer_size() for transport in self._transports)
        return not waiting or waiting + size <= _MAX_WAITING_BYTES
