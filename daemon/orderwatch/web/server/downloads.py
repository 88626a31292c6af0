"""Downloads of stored files: long answers, with limits of their own."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import hdrs, web

MAX_DOWNLOADS = 8
STALL_SECONDS = 60.0
"""In this time a reader must take the next piece of a file."""


@dataclass(frozen=True, slots=True)
class Downloads:
    """The downloads of one server; a `held` connection may exceed the usual time."""

    _open: dict[asyncio.BaseProtocol, web.Request] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._open)

    def held(self, connection: asyncio.BaseProtocol) -> bool:
        return connection in self._open

    def end(self) -> None:
        """Ends every download; its reader sees that the end is missing."""
        for request in self._open.values():
            if request.transport is not None:
                request.transport.abort()

    @contextmanager
    def slot(self, request: web.Request) -> Iterator[None]:
        """Lets one file be sent inside, for as long as that takes. Raises 503 if too many are being sent."""
        if len(self) >= MAX_DOWNLOADS:
            raise web.HTTPServiceUnavailable(
                text="503: too many files are being downloaded\n", headers={hdrs.RETRY_AFTER: "30"}
            )
        self._open[request.protocol] = request
        try:
            yield
        finally:
            self._open.pop(request.protocol, None)
            if request.transport is not None:  # a reader may never take the last bytes
                asyncio.get_running_loop().call_later(STALL_SECONDS, request.transport.abort)


DOWNLOADS = web.AppKey("downloads", Downloads)
