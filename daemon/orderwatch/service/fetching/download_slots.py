"""Limits parallel downloads; a slow one releases its slot to another."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from orderwatch.service.wakeup import Wakeup

_WINDOW_SECONDS = 20.0
_MIN_BYTES_PER_SECOND = 64_000  # over a window; below it a download is slow


class DownloadSlots:
    """A number of slots, each held by one download."""

    def __init__(
        self, count: int, *, window: float = _WINDOW_SECONDS, rate: int = _MIN_BYTES_PER_SECOND
    ) -> None:
        self._count = count
        self._taken = 0
        self._freed = Wakeup()
        self._window = window
        self._rate = rate

    @property
    def count(self) -> int:
        """The number of slots; when it changes, slots in use are kept."""
        return self._count

    @count.setter
    def count(self, count: int) -> None:
        self._count = count
        self._freed.trigger()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator["Slot"]:
        """Wait for a slot and hold it."""
        while self._taken >= self._count:
            await self._freed.subscribe().wait()
        self._taken += 1
        slot = Slot(self._on_free, self._window, self._rate)
        try:
            yield slot
        finally:
            slot.release()

    def _on_free(self) -> None:
        self._taken -= 1
        self._freed.trigger()


class Slot:
    """One held slot; may be released before the download ends."""

    def __init__(self, on_free: Callable[[], None], window: float, rate: int) -> None:
        self._on_free = on_free
        self._window = window
        self._rate = rate
        self._held = True

    def release(self) -> None:
        """Release the slot, once."""
        if self._held:
            self._held = False
            self._on_free()

    @asynccontextmanager
    async def release_when_slow(
        self, durable: Callable[[], int], on_release: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Release the slot and call `on_release` once `durable` grows too slowly over a window."""
        watcher = asyncio.create_task(self._watch(durable, on_release))
        try:
            yield
        finally:
            watcher.cancel()
            await asyncio.wait([watcher])

    async def _watch(self, durable: Callable[[], int], on_release: Callable[[], None]) -> None:
        before = durable()
        while True:
            await asyncio.sleep(self._window)
            now = durable()
            if now - before < self._rate * self._window:
                break
            before = now
        self.release()
        on_release()
