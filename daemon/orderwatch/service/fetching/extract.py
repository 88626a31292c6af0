"""Zips are unpacked beside themselves where that is wanted; one that cannot be is delivered all the same."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog

from orderwatch.core.deliveries.paths import partial_name
from orderwatch.core.model import Delivery
from orderwatch.core.orders.watches import DeliveryPlan
from orderwatch.errors import BadBytesError, LostBytesError, NotExtractedError
from orderwatch.ports import Destination
from orderwatch.service.fetching.disk_budget import DiskBudget

log = structlog.get_logger()


class Extraction:
    """Of one delivery whose bytes are verified; does nothing where none is planned.

    `wrote` is called from a thread as it goes on.
    """

    def __init__(
        self,
        delivery: Delivery,
        plan: DeliveryPlan,
        destination: Destination,
        space: DiskBudget,
        *,
        wrote: Callable[[], object] = lambda: None,
    ) -> None:
        self._delivery = delivery
        self._wanted = plan.extract and delivery.attachment == "delivery_zip"
        self._part, self._path = partial_name(delivery), delivery.path or ""
        self._destination = destination
        self._space = space
        self._progress = wrote

    async def make_room(self) -> None:
        """`DiskError` where there is none; whatever else is wrong is found by those who look closer."""
        if self._wanted:
            with suppress(NotExtractedError, BadBytesError, LostBytesError):
                await self._reserve()

    async def run(self, where: Mapping[str, object]) -> str | None:
        """Returns why it was not done, in words. `DiskError`: to be done again, from the beginning."""
        if not self._wanted:
            return None
        try:
            await self._reserve()
            done = await self._destination.extract(self._part, self._path, self._wrote())
        except (NotExtractedError, BadBytesError) as error:
            log.warning("extraction.refused", **where, path=self._path, reason=str(error))
            return f"not extracted: {error}"
        log.info("extraction.done", **where, folder=done.folder, members=done.files)
        return None

    async def _reserve(self) -> None:
        if needed := await self._destination.needed(self._part, self._path):
            self._space.reserve(self._delivery.key, needed)

    def _wrote(self) -> Callable[[int], object]:
        """What the thread calls; the ledger belongs to the loop."""
        loop, key = asyncio.get_running_loop(), self._delivery.key

        def wrote(size: int) -> None:
            self._progress()
            loop.call_soon_threadsafe(self._space.wrote, key, size)

        return wrote
