"""Extracts delivered zips if configured; a zip that cannot be extracted is still delivered."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog

from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.model import Delivery
from orderwatch.core.orders.watches import DeliveryPlan
from orderwatch.errors import BadBytesError, LostBytesError, NotExtractedError
from orderwatch.ports import Destination
from orderwatch.service.fetching.disk_budget import DiskBudget

log = structlog.get_logger()


class Extraction:
    """Extracts one verified delivery; does nothing if the plan has no extraction.

    `on_bytes` is called from a thread during the work.
    """

    def __init__(
        self,
        delivery: Delivery,
        plan: DeliveryPlan,
        destination: Destination,
        space: DiskBudget,
        *,
        on_bytes: Callable[[], object] = lambda: None,
    ) -> None:
        self._delivery = delivery
        self._is_wanted = plan.extract and delivery.attachment == "delivery_zip"
        self._part, self._path = partial_name(delivery), delivery.path or ""
        self._destination = destination
        self._space = space
        self._progress = on_bytes

    async def reserve_space(self) -> None:
        """Reserve disk space. Raises `DiskError` if there is none; other errors are found later."""
        if self._is_wanted:
            with suppress(NotExtractedError, BadBytesError, LostBytesError):
                await self._reserve()

    async def run(self, log_fields: Mapping[str, object]) -> str | None:
        """Extract; returns why it was not done, if so. Raises `DiskError`: repeat it from the beginning."""
        if not self._is_wanted:
            return None
        try:
            await self._reserve()
            done = await self._destination.extract(self._part, self._path, self._on_bytes())
        except (NotExtractedError, BadBytesError) as error:
            log.warning("extraction.refused", **log_fields, path=self._path, reason=str(error))
            return f"not extracted: {error}"
        log.info("extraction.done", **log_fields, folder=done.folder, members=done.files)
        return None

    async def _reserve(self) -> None:
        if needed := await self._destination.needed(self._part, self._path):
            self._space.reserve(self._delivery.key, needed)

    def _on_bytes(self) -> Callable[[int], object]:
        """Return the callback for the thread; it updates the reservation in the event loop."""
        loop, key = asyncio.get_running_loop(), self._delivery.key

        def on_bytes(size: int) -> None:
            self._progress()
            loop.call_soon_threadsafe(self._space.on_written, key, size)

        return on_bytes
