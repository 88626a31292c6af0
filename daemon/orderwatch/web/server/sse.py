"""Server-sent events: long answers, with limits of their own."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import hdrs, web

_MAX_STREAMS = 128
_KEEPALIVE_SECONDS = 15.0  # between comments, which detect disconnected viewers
_WRITE_TIMEOUT_SECONDS = 10.0
_MAX_EVENTS_PER_WRITE = 100
_RETRY_MILLISECONDS = 3000  # before a browser reconnects
_LINE_END = re.compile(r"\r\n|\r|\n")

DEADLINE = web.RequestKey("deadline", asyncio.Timeout)
STREAM_RESPONSE = web.RequestKey("stream_response", web.StreamResponse)


class _GoneError(Exception):
    """The viewer has disconnected."""


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of one server; a `held` connection may exceed the usual time."""

    _open: dict[asyncio.BaseProtocol, "Send"] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._open)

    @property
    def full(self) -> bool:
        """Whether the limit is reached; streams of disconnected viewers do not count."""
        return sum(not send.is_disconnected for send in self._open.values()) >= _MAX_STREAMS

    def held(self, connection: asyncio.BaseProtocol) -> bool:
        return connection in self._open

    def end_disconnected(self) -> None:
        for send in self._open.values():
            if send.is_disconnected:
                send.end()

    def end(self) -> None:
        for send in self._open.values():
            send.end()

    def add(self, connection: asyncio.BaseProtocol, send: "Send") -> None:
        self._open[connection] = send

    def drop(self, connection: asyncio.BaseProtocol) -> None:
        del self._open[connection]


STREAMS = web.AppKey("streams", Streams)


def format_event(data: str, *, event: str | None = None, id: int | None = None) -> str:  # noqa: A002 - the field's name
    """Returns an event in the wire format; `data` may have several lines."""
    head = (f"id: {id}\n" if id is not None else "") + (f"event: {event}\n" if event else "")
    lines = "".join(f"data: {line}\n" for line in _LINE_END.split(data))
    return f"{head}{lines}\n"


class Send:
    """Sends events to one viewer; the handler returns `response`."""

    def __init__(self, request: web.Request, response: web.StreamResponse, life: asyncio.Timeout) -> None:
        self.response = response
        self._request = request
        self._life = life
        self._writing = asyncio.Lock()

    async def __call__(self, *events: str) -> None:
        """Sends formatted events, a few in one piece."""
        for first in range(0, len(events), _MAX_EVENTS_PER_WRITE):
            await self._write("".join(events[first : first + _MAX_EVENTS_PER_WRITE]))

    @property
    def is_disconnected(self) -> bool:
        return self._request.transport is None

    def end(self) -> None:
        """Ends the handler's `async with` normally."""
        if not self._life.expired():
            self._life.reschedule(asyncio.get_running_loop().time())

    async def begin(self) -> None:
        try:
            await self.response.prepare(self._request)
            await self._write(f"retry: {_RETRY_MILLISECONDS}\n\n")
        except (_GoneError, ConnectionError):
            self.end()

    def close_soon(self) -> None:
        """Aborts the connection if the viewer does not read the end in time."""
        if self._request.transport is not None:
            asyncio.get_running_loop().call_later(_WRITE_TIMEOUT_SECONDS, self._request.transport.abort)

    async def keep_alive(self) -> None:
        with suppress(_GoneError):
            while True:
                await asyncio.sleep(_KEEPALIVE_SECONDS)
                await self._write(":\n\n")
        self.end()

    async def _write(self, text: str) -> None:
        if self._request.method == hdrs.METH_HEAD:
            raise _GoneError  # a HEAD request has no body
        try:
            async with asyncio.timeout(_WRITE_TIMEOUT_SECONDS), self._writing:
                await self.response.write(text.encode())
        except (TimeoutError, ConnectionError) as error:
            if self._request.transport is not None:
                self._request.transport.abort()  # drops unread bytes
            raise _GoneError from error


@asynccontextmanager
async def event_stream(request: web.Request) -> AsyncIterator[Send]:
    """Opens a stream until either side ends it; the handler then returns `send.response`.

    Raises 503 before anything is sent if there are too many streams. Inside there is no time limit.
    """
    streams = request.app[STREAMS]
    if streams.full:
        raise web.HTTPServiceUnavailable(text="503: too many viewers\n", headers={hdrs.RETRY_AFTER: "30"})
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: "text/event-stream; charset=utf-8",
            hdrs.CACHE_CONTROL: "no-store",
            "X-Accel-Buffering": "no",  # proxies must not buffer events
        }
    )
    request[STREAM_RESPONSE] = response
    request[DEADLINE].reschedule(None)
    with suppress(_GoneError):
        async with _ending() as life:
            send = Send(request, response, life)
            streams.add(request.protocol, send)
            keepalive = asyncio.create_task(send.keep_alive())
            try:
                await send.begin()
                yield send
            finally:
                keepalive.cancel()
                streams.drop(request.protocol)
                send.close_soon()


@asynccontextmanager
async def _ending() -> AsyncIterator[asyncio.Timeout]:
    """Runs the body until the yielded timeout expires, which is a normal end."""
    life = asyncio.timeout(None)
    try:
        async with life:
            yield life
    except TimeoutError:
        if not life.expired():
            raise
