"""Whoever wants to know how far a long work is."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Protocol

from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.db.reader import Reader

_LOOK = 0.25  # seconds between two looks at what is under way


class Progress(Protocol):
    """Told how far the work is; `read` comes from other threads too. Sizes in bytes.

    `begin` is told again where more became known to be done.
    """

    def begin(self, files: int, size: int) -> None: ...

    def read(self, size: int) -> None: ...

    def file(self) -> None: ...


class NoProgress:
    """Nobody wants to know."""

    def begin(self, files: int, size: int) -> None:
        pass

    def read(self, size: int) -> None:
        pass

    def file(self) -> None:
        pass


UNWATCHED = NoProgress()


class DownloadProgress:
    """Tells a progress what comes of these deliveries; what was there before does not count."""

    def __init__(self, progress: Progress, wanted: Collection[Delivery]) -> None:
        self._progress = progress
        self._first = {d.key: d.durable for d in wanted}
        self._held = dict(self._first)
        self._sizes = {d.key: self._size(d) for d in wanted}
        self._begin()

    def seen(self, delivery: Delivery) -> None:
        """A row as it is now. What has to be fetched anew counts once it is more than there ever was."""
        key = delivery.key
        if key not in self._held:
            return
        if (size := self._size(delivery)) != self._sizes[key]:
            self._sizes[key] = size
            self._begin()
        if delivery.durable > self._held[key]:
            self._progress.read(delivery.durable - self._held[key])
            self._held[key] = delivery.durable

    def ended(self, delivery: Delivery) -> None:
        self.seen(delivery)
        self._progress.file()

    def _size(self, delivery: Delivery) -> int:
        return max(0, (delivery.total or 0) - self._first[delivery.key])

    def _begin(self) -> None:
        self._progress.begin(len(self._sizes), sum(self._sizes.values()))


@asynccontextmanager
async def with_progress(
    reader: Reader, wanted: Collection[Delivery], progress: Progress
) -> AsyncIterator[DownloadProgress]:
    """Meanwhile the rows of what is under way are looked at."""
    downloads = DownloadProgress(progress, wanted)

    async def look() -> None:
        while True:
            await asyncio.sleep(_LOOK)
            for delivery in await reader.deliveries(DeliveryState.FETCHING):
                downloads.seen(delivery)

    looking = asyncio.create_task(look())
    try:
        yield downloads
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
