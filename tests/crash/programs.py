"""Our command with other figures, so that a small file is fetched as a large one is."""

import functools

from orderwatch.app import plan
from orderwatch.cli import main
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.service.fetching.download_slots import Slot
from orderwatch.service.fetching.fetcher import Fetcher
from orderwatch.service.liveness import unsupervised
from orderwatch.transfer import partial_file
from orderwatch.transfer.http import partial_writer
from orderwatch.transfer.http.options import ParallelOptions


def in_small_steps() -> None:
    """Several connections, a checkpoint every few hundredths of a second, and direct writes."""
    partial_file._DIRECT_FROM_BYTES = 0
    partial_writer._MIN_CHECKPOINT_SECONDS, partial_writer._CHECKPOINT_TIME_FACTOR = 0.03, 1
    vars(plan)["ParallelOptions"] = functools.partial(
        ParallelOptions, min_file_bytes=2**16, segment_bytes=2**15, window_seconds=0.02
    )
    main()


def in_a_batch() -> None:
    """A delivery that was not tried yet is fetched as one of many small files."""
    single = Fetcher.fetch

    async def fetch(self: Fetcher, delivery: Delivery, slot: Slot | None = None) -> Delivery:
        if delivery.intended or delivery.durable or delivery.path is not None:
            return await single(self, delivery, slot)
        await self.fetch_batch([delivery], unsupervised())
        [after] = [
            one for one in await self._store.deliveries.in_states(*DeliveryState) if one.key == delivery.key
        ]
        return after

    Fetcher.fetch = fetch  # type: ignore[method-assign, assignment]  # only this program has it
    main()
