"""Progress of long work, reported to a caller."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Protocol

from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.db.repositories import Store

_POLL_INTERVAL_SECONDS = 0.25


class Progress(Protocol):
    """Receives progress; `read` is called from other threads too. Sizes in bytes.

    `begin` is called again when the total changes.
    """

    def begin(self, files: int, size: int) -> None: ...

    def read(self, size: int) -> None: ...

    def file(self) -> None: ...


class NoProgress:
    """Ignores progress."""

    def begin(self, files: int, size: int) -> None:
        pass

    def read(self, size: int) -> None:
        pass

    def file(self) -> None:
        pass


UNWATCHED = NoProgress()


class DownloadProgress:
    """Reports the download of these deliveries; bytes held before do not count."""

    def __init__(self, progress: Progress, deliveries: Collection[Delivery]) -> None:
        self._progress = progress
        self._first = {d.key: d.durable for d in deliveries}
        self._held = dict(self._first)
        self._sizes = {d.key: self._size(d) for d in deliveries}
        self._begin()

    def seen(self, delivery: Delivery) -> None:
        """Report the present row. Bytes fetched again count once they exceed the most ever held."""
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
    reader: Store, deliveries: Collection[Delivery], progress: Progress
) -> AsyncIterator[DownloadProgress]:
    """Poll the rows of running downloads until the context ends."""
    downloads = DownloadProgress(progress, deliveries)

    async def poll() -> None:
        while True:
            await asyncio.sleep(_POLL_INTERVAL_SECONDS)
            for delivery in await reader.deliveries.in_states(DeliveryState.FETCHING):
                downloads.seen(delivery)

    polling = asyncio.create_task(poll())
    try:
        yield downloads
    finally:
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
