"""Keeps the server up at the address that is wanted; the daemon's work goes on without it."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import structlog

from orderwatch.core.listen_address import socket_of
from orderwatch.errors import ConfigError
from orderwatch.web.server.app import ServedPages, serving

log = structlog.get_logger()

_RETRY = 15.0  # seconds
_NOT_TO_BE_HAD = (OSError, UnicodeError)  # the latter for a name that can be none


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to serve, "" for nowhere; also by the names of `hosts`, and only to who has the token."""

    listen: str = ""
    hosts: tuple[str, ...] = ()
    token: str = field(default="", repr=False)


class Listener:
    """`listen` says where at the start, `moved` from then on; `run` serves there until it is cancelled."""

    def __init__(self, pages: ServedPages, *, retry: float = _RETRY) -> None:
        self._pages = pages
        self._retry = retry
        self._wanted = ListenAddress()
        self._served: AsyncExitStack | None = None  # what serves what is wanted
        self._turn = asyncio.Lock()
        self._again = asyncio.Event()
        self._failing: str | None = None  # the address whose trouble was said

    def listen(self, wanted: ListenAddress) -> None:
        """There, as soon as it can be had."""
        self._wanted = wanted
        self._again.set()

    @asynccontextmanager
    async def moved(self, wanted: ListenAddress) -> AsyncIterator[None]:
        """There from now on, unless what is done inside fails. `ConfigError` where it cannot be had."""
        before = self._wanted
        if wanted == before:
            yield
            return
        async with self._turn:
            await self._move(wanted)
        try:
            yield
        except BaseException:
            async with self._turn:
                await self._leave()
            self.listen(before)
            raise

    async def run(self) -> None:
        try:
            while True:
                self._again.clear()
                async with self._turn:
                    await self._serve()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._retry if self._served is None else None):
                        await self._again.wait()
        finally:
            await self._leave()

    async def _serve(self) -> None:
        if self._served is None:
            try:
                self._served = await self._opened(self._wanted)
            except _NOT_TO_BE_HAD as error:
                self._say_unavailable(self._wanted.listen, error)
            else:
                self._say_listening()

    async def _move(self, wanted: ListenAddress) -> None:
        try:
            opened = await self._opened_instead(wanted)
        except _NOT_TO_BE_HAD as error:
            raise ConfigError([f"http.listen: {wanted.listen} cannot be had: {_reason(error)}"]) from error
        former, self._wanted, self._served = self._served, wanted, opened
        self._say_listening()  # elsewhere, or nowhere: that trouble is over
        if former is not None:
            await former.aclose()

    async def _opened_instead(self, wanted: ListenAddress) -> AsyncExitStack:
        """Beside what is served now, which ends first only where it is in the way."""
        try:
            return await self._opened(wanted)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or _spot(wanted.listen) != _spot(self._wanted.listen):
                raise
        await self._leave()
        self._again.set()  # should this fail too, it is opened where it was
        return await self._opened(wanted)

    async def _opened(self, wanted: ListenAddress) -> AsyncExitStack:
        async with AsyncExitStack() as opening:
            if wanted.listen:
                at_work = serving(wanted.listen, self._pages, hosts=wanted.hosts, token=wanted.token)
                await opening.enter_async_context(at_work)
            return opening.pop_all()

    async def _leave(self) -> None:
        served, self._served = self._served, None
        if served is not None:
            await served.aclose()

    def _say_unavailable(self, listen: str, error: OSError | UnicodeError) -> None:
        if self._failing is None:
            self._failing = listen
            log.warning("http.unavailable", listen=listen, reason=_reason(error))

    def _say_listening(self) -> None:
        if self._failing is not None:
            log.info("http.listening", listen=self._failing)
            self._failing = None


def _reason(error: OSError | UnicodeError) -> str:
    number = getattr(error, "errno", None) or 0  # negative where the name is not found
    return os.strerror(number) if number > 0 else "there is no such address"


def _spot(listen: str) -> str:
    """What only one can have: the socket file, or the port."""
    return socket_of(listen) or listen.rpartition(":")[2]
