"""Keeps the server up at the address that is wanted; the daemon's work goes on without it."""

import asyncio
import os
from contextlib import suppress

import structlog

from orderwatch.web.server import Pages, serving

log = structlog.get_logger()

_RETRY = 15.0  # seconds


class Front:
    """`listen` says where, now and after each reload; `run` serves there until it is cancelled."""

    def __init__(self, pages: Pages, *, retry: float = _RETRY) -> None:
        self._pages = pages
        self._retry = retry
        self._wanted = ""
        self._hosts: tuple[str, ...] = ()
        self._token = ""
        self._changed = asyncio.Event()
        self._failing: str | None = None  # the address whose trouble was said

    def listen(self, address: str, *, hosts: tuple[str, ...] = (), token: str = "") -> None:
        """From now on at "host:port", also by these names, for whoever has the token; "" is off."""
        if (address, hosts, token) != (self._wanted, self._hosts, self._token):
            self._wanted, self._hosts, self._token = address, hosts, token
            self._changed.set()

    async def run(self) -> None:
        while True:
            self._changed.clear()
            if self._failing != self._wanted:
                self._say_listening()  # elsewhere, or nowhere: that trouble is over
            if not self._wanted:
                await self._changed.wait()
                continue
            try:
                async with serving(self._wanted, self._pages, hosts=self._hosts, token=self._token):
                    self._say_listening()
                    await self._changed.wait()
            except (OSError, UnicodeError) as error:  # the latter for a name that can be none
                self._say_unavailable(self._wanted, error)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._retry):
                        await self._changed.wait()

    def _say_unavailable(self, listen: str, error: OSError | UnicodeError) -> None:
        if self._failing is None:
            self._failing = listen
            number = getattr(error, "errno", None) or 0  # negative where the name is not found
            reason = os.strerror(number) if number > 0 else "there is no such address"
            log.warning("http.unavailable", listen=listen, reason=reason)

    def _say_listening(self) -> None:
        if self._failing is not None:
            log.info("http.listening", listen=self._failing)
            self._failing = None
