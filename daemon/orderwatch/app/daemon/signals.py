"""Requests from outside to stop or reload the daemon, by signal."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from orderwatch.ops.systemd import notify


class SignalControl:
    def __init__(self) -> None:
        self.stopping = asyncio.Event()  # never cleared
        self._reloading = False
        self._requested = asyncio.Event()
        self._interrupt: asyncio.Timeout | None = None

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Handle signals: SIGTERM and SIGINT stop, SIGHUP reloads."""
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGHUP: self.reload}
        before = {number: signal.getsignal(number) for number in handlers}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number, earlier in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, earlier)

    def stop(self) -> None:
        self.stopping.set()
        self._requested.set()
        notify("STOPPING=1", "STATUS=stopping")
        if self._interrupt is not None:
            self._interrupt.reschedule(asyncio.get_running_loop().time())
            self._interrupt = None

    def reload(self) -> None:
        self._reloading = True
        self._requested.set()

    async def reloads(self) -> bool:
        """Wait for a request; return True for a reload, False for a stop."""
        await self._requested.wait()
        self._requested.clear()
        requested, self._reloading = self._reloading, False
        return requested and not self.stopping.is_set()

    @asynccontextmanager
    async def unless_stopped(self) -> AsyncIterator[None]:
        """Interrupt the block on a stop: it may be waiting for a database or a disk."""
        try:
            async with asyncio.timeout(0 if self.stopping.is_set() else None) as self._interrupt:
                yield
        except TimeoutError:
            if not self.stopping.is_set():
                raise
        finally:
            self._interrupt = None
