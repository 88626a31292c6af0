"""At most so many deliveries are fetched at once; a slow one lends its place to another."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from orderwatch.service.wakeup import Wakeup

_WINDOW = 20.0  # seconds
_RATE = 64_000  # bytes per second; what brings less over a window is slow


class DownloadSlots:
    """So many places. Whoever got one may be made to lend it to the end of his work."""

    def __init__(self, places: int, *, window: float = _WINDOW, rate: int = _RATE) -> None:
        self._places = places
        self._taken = 0
        self._freed = Wakeup()
        self._window = window
        self._rate = rate

    def resize(self, places: int) -> None:
        """So many from now on; nobody loses his."""
        self._places = places
        self._freed.trigger()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator["Slot"]:
        """Wait for a place and hold it."""
        while self._taken >= self._places:
            await self._freed.subscribe().wait()
        self._taken += 1
        slot = Slot(self._free, self._window, self._rate)
        try:
            yield slot
        finally:
            slot.give_back()

    def _free(self) -> None:
        self._taken -= 1
        self._freed.trigger()


class Slot:
    def __init__(self, free: Callable[[], None], window: float, rate: int) -> None:
        self._free = free
        self._window = window
        self._rate = rate
        self._held = True

    def give_back(self) -> None:
        if self._held:
            self._held = False
            self._free()

    @asynccontextmanager
    async def lent_when_slow(
        self, durable: Callable[[], int], lent: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Give the place back as soon as `durable` grew too slowly over a window, and say so by `lent`."""
        watcher = asyncio.create_task(self._watch(durable, lent))
        try:
            yield
        finally:
            watcher.cancel()
            await asyncio.wait([watcher])

    async def _watch(self, durable: Callable[[], int], lent: Callable[[], None]) -> None:
        before = durable()
        while True:
            await asyncio.sleep(self._window)
            now = durable()
            if now - before < self._rate * self._window:
                break
            before = now
        self.give_back()
        lent()
