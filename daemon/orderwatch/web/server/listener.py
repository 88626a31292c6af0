"""Keeps the server listening at the configured address; the daemon works without it."""

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

_RETRY_SECONDS = 15.0
_LISTEN_ERRORS = (OSError, UnicodeError)  # the latter for an invalid name


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen, "" for nowhere; and the arguments of `AccessControl`."""

    listen: str = ""
    hosts: tuple[str, ...] = ()
    token: str = field(default="", repr=False)
    actions: bool = False
    files: bool = False
    user_header: str = ""


class Listener:
    """Serves in `run` until it is cancelled; `listen` sets the first address, `moved` changes it."""

    def __init__(self, pages: ServedPages, *, retry: float = _RETRY_SECONDS) -> None:
        self._pages = pages
        self._retry = retry
        self._wanted = ListenAddress()
        self._served: AsyncExitStack | None = None  # the server at the wanted address
        self._turn = asyncio.Lock()
        self._again = asyncio.Event()
        self._failing: str | None = None  # the address whose failure was logged

    def listen(self, wanted: ListenAddress) -> None:
        """Listens there as soon as possible."""
        self._wanted = wanted
        self._again.set()

    @asynccontextmanager
    async def moved(self, wanted: ListenAddress) -> AsyncIterator[None]:
        """Listens there from now on, unless the body fails; `ConfigError` if that is impossible."""
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
            except _LISTEN_ERRORS as error:
                self._log_unavailable(self._wanted.listen, error)
            else:
                self._log_listening()

    async def _move(self, wanted: ListenAddress) -> None:
        try:
            opened = await self._opened_instead(wanted)
        except _LISTEN_ERRORS as error:
            raise ConfigError([f"http.listen: cannot listen on {wanted.listen}: {_reason(error)}"]) from error
        former, self._wanted, self._served = self._served, wanted, opened
        self._log_listening()  # elsewhere, or nowhere: that failure is over
        if former is not None:
            await former.aclose()

    async def _opened_instead(self, wanted: ListenAddress) -> AsyncExitStack:
        """Opens the new address beside the old one, which is closed first only if it is in the way."""
        try:
            return await self._opened(wanted)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or _spot(wanted.listen) != _spot(self._wanted.listen):
                raise
        await self._leave()
        self._again.set()  # if this fails too, the old address is opened again
        return await self._opened(wanted)

    async def _opened(self, wanted: ListenAddress) -> AsyncExitStack:
        async with AsyncExitStack() as opening:
            if wanted.listen:
                server = serving(
                    wanted.listen,
                    self._pages,
                    hosts=wanted.hosts,
                    token=wanted.token,
                    actions=wanted.actions,
                    files=wanted.files,
                    user_header=wanted.user_header,
                )
                await opening.enter_async_context(server)
            return opening.pop_all()

    async def _leave(self) -> None:
        served, self._served = self._served, None
        if served is not None:
            await served.aclose()

    def _log_unavailable(self, listen: str, error: OSError | UnicodeError) -> None:
        if self._failing is None:
            self._failing = listen
            log.warning("http.unavailable", listen=listen, reason=_reason(error))

    def _log_listening(self) -> None:
        if self._failing is not None:
            log.info("http.listening", listen=self._failing)
            self._failing = None


def _reason(error: OSError | UnicodeError) -> str:
    number = getattr(error, "errno", None) or 0  # negative if the name is not found
    return os.strerror(number) if number > 0 else "the address does not exist"


def _spot(listen: str) -> str:
    """Returns the socket file or the port, which only one server can have."""
    return socket_of(listen) or listen.rpartition(":")[2]
