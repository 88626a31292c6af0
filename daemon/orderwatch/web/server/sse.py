"""Server-sent events: answers that last, told apart from the plain ones, which are short."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import hdrs, web

_MOST = 128  # streams at a time
_BEAT = 15.0  # seconds between two comments, by which a viewer that is gone is noticed
_TAKING = 10.0  # seconds for a viewer to take what is written …
_TOGETHER = 100  # … so many events at once
_RETRY = 3000  # milliseconds after which a browser comes again
_LINE_END = re.compile(r"\r\n|\r|\n")

PATIENCE = web.RequestKey("patience", asyncio.Timeout)
BEGUN = web.RequestKey("begun", web.StreamResponse)


class _GoneError(Exception):
    """The viewer."""


@dataclass(frozen=True, slots=True)
class Streams:
    """Those of one server. The life of a connection is no bound for one that is `held`."""

    _open: dict[asyncio.BaseProtocol, "Send"] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._open)

    @property
    def full(self) -> bool:
        """Those whose viewer has left do not count."""
        return sum(not send.deserted for send in self._open.values()) >= _MOST

    def held(self, connection: asyncio.BaseProtocol) -> bool:
        return connection in self._open

    def end_deserted(self) -> None:
        for send in self._open.values():
            if send.deserted:
                send.end()

    def end(self) -> None:
        for send in self._open.values():
            send.end()

    def add(self, connection: asyncio.BaseProtocol, send: "Send") -> None:
        self._open[connection] = send

    def drop(self, connection: asyncio.BaseProtocol) -> None:
        del self._open[connection]


STREAMS = web.AppKey("streams", Streams)


def written(data: str, *, event: str | None = None, id: int | None = None) -> str:  # noqa: A002 - the field's name
    """An event as it is sent; `data` may have several lines, `event` and `id` are ours."""
    head = (f"id: {id}\n" if id is not None else "") + (f"event: {event}\n" if event else "")
    lines = "".join(f"data: {line}\n" for line in _LINE_END.split(data))
    return f"{head}{lines}\n"


class Send:
    """Sends an event to one viewer; `response` is what the handler returns in the end."""

    def __init__(self, request: web.Request, response: web.StreamResponse, life: asyncio.Timeout) -> None:
        self.response = response
        self._request = request
        self._life = life
        self._writing = asyncio.Lock()

    async def __call__(self, *events: str) -> None:
        """Events that are `written`, in one piece where they are few."""
        for first in range(0, len(events), _TOGETHER):
            await self._write("".join(events[first : first + _TOGETHER]))

    @property
    def deserted(self) -> bool:
        return self._request.transport is None

    def end(self) -> None:
        """The handler leaves its `async with` where it waits, as if it was done."""
        if not self._life.expired():
            self._life.reschedule(asyncio.get_running_loop().time())

    async def begin(self) -> None:
        try:
            await self.response.prepare(self._request)
            await self._write(f"retry: {_RETRY}\n\n")
        except (_GoneError, ConnectionError):
            self.end()

    def close_soon(self) -> None:
        """Who does not take the end either is dropped."""
        if self._request.transport is not None:
            asyncio.get_running_loop().call_later(_TAKING, self._request.transport.abort)

    async def beat(self) -> None:
        with suppress(_GoneError):
            while True:
                await asyncio.sleep(_BEAT)
                await self._write(":\n\n")
        self.end()

    async def _write(self, text: str) -> None:
        if self._request.method == hdrs.METH_HEAD:
            raise _GoneError  # it has all it asked for
        try:
            async with asyncio.timeout(_TAKING), self._writing:
                await self.response.write(text.encode())
        except (TimeoutError, ConnectionError) as error:
            if self._request.transport is not None:
                self._request.transport.abort()  # what waits to be taken is forgotten
            raise _GoneError from error


@asynccontextmanager
async def event_stream(request: web.Request) -> AsyncIterator[Send]:
    """Events to whoever asked, until either side ends it; then the handler returns `send.response`.

    Raises 503 before anything is sent where too many look on already. No bound of time holds inside.
    """
    streams = request.app[STREAMS]
    if streams.full:
        raise web.HTTPServiceUnavailable(text="503: too many look on\n", headers={hdrs.RETRY_AFTER: "30"})
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: "text/event-stream; charset=utf-8",
            hdrs.CACHE_CONTROL: "no-store",
            "X-Accel-Buffering": "no",  # a proxy passes each event on at once
        }
    )
    request[BEGUN] = response
    request[PATIENCE].reschedule(None)
    with suppress(_GoneError):
        async with _ending() as life:
            send = Send(request, response, life)
            streams.add(request.protocol, send)
            beating = asyncio.create_task(send.beat())
            try:
                await send.begin()
                yield send
            finally:
                beating.cancel()
                streams.drop(request.protocol)
                send.close_soon()


@asynccontextmanager
async def _ending() -> AsyncIterator[asyncio.Timeout]:
    """What is inside goes on until the yielded timeout is set; that is a good end."""
    life = asyncio.timeout(None)
    try:
        async with life:
            yield life
    except TimeoutError:
        if not life.expired():
            raise
