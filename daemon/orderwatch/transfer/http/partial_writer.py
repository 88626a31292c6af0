"""Writes the bytes of all connections into the partial and records checkpoints in the delivery's row."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from orderwatch.core.deliveries.file_version import FileVersion
from orderwatch.core.formatting import format_bytes_pair
from orderwatch.errors import DiskError, TransferError
from orderwatch.ports import Checkpoint, Meter
from orderwatch.transfer.http.exchange import Exchange
from orderwatch.transfer.http.link_client import Response
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.http.segments import Segment
from orderwatch.transfer.partial_file import Partial

_MIN_CHECKPOINT_SECONDS = 0.25
_CHECKPOINT_TIME_FACTOR = 20  # checkpoints take at most a twentieth of the time
_CHECKPOINT_BYTES = 256 * 2**20  # are made durable sooner
_SKIP_SYNC_BYTES = 8 * 2**20  # at the end of a file: verification syncs them soon enough


class PartialWriter:
    """Writes the bytes of one attempt, from all of its connections."""

    def __init__(
        self,
        partial: Partial,
        version: FileVersion,
        checkpoint: Checkpoint,
        bandwidth: RateLimit,
        meter: Meter,
    ) -> None:
        self._partial = partial
        self._version = version
        self._checkpoint = checkpoint
        self._bandwidth = bandwidth
        self._meter = meter
        self._clock = asyncio.get_running_loop().time
        self._exchanges: list[Exchange] = []
        self._synced = partial.held.total
        self._due = self._clock() + _MIN_CHECKPOINT_SECONDS

    @property
    def received(self) -> int:
        """The bytes that all connections have received."""
        return sum(exchange.received for exchange in self._exchanges)

    async def receive(self, response: Response, segment: Segment) -> None:
        """Write a body until the segment is complete. Raises `TransferError`, but keeps what arrived."""
        self._exchanges.append(response.exchange)
        sink = _SegmentSink(self._partial, segment, self._bandwidth, self._meter, response.exchange)
        await response.read_into(sink)
        if segment.left:
            received, total = format_bytes_pair(segment.at, self._version.total)
            raise TransferError(f"the download ended after {received} of {total}")

    async def keep_saving(self) -> None:
        """Make checkpoints until cancelled."""
        while True:
            await asyncio.sleep(_MIN_CHECKPOINT_SECONDS)
            unsynced = self._partial.held.total - self._synced
            if unsynced >= _CHECKPOINT_BYTES or (unsynced and self._clock() >= self._due):
                await self._save()

    @asynccontextmanager
    async def checkpointed(self) -> AsyncIterator[None]:
        """Save a last checkpoint when the body fails; after success, only if much is not durable yet.

        After a `DiskError` none is saved: the disk's state is then unknown.
        """
        try:
            yield
        except DiskError:
            raise
        except asyncio.CancelledError:
            with suppress(DiskError):  # the next attempt raises it
                await self._save_rest()
            raise
        except Exception:
            await self._save_rest()
            raise
        await self._partial.flush()
        if self._partial.held.total - self._synced >= _SKIP_SYNC_BYTES:
            await self._save()

    async def _save_rest(self) -> None:
        await self._partial.flush()
        if self._partial.held.total > self._synced:
            await self._save()

    async def _save(self) -> None:
        before = self._clock()
        held = await self._partial.sync(self._version)
        await self._checkpoint(held.prefix, held.total)
        self._synced = held.total
        took = self._clock() - before
        self._due = self._clock() + max(_MIN_CHECKPOINT_SECONDS, _CHECKPOINT_TIME_FACTOR * took)


class _SegmentSink:
    """Writes the bytes of one connection, in its thread."""

    def __init__(
        self, partial: Partial, segment: Segment, bandwidth: RateLimit, meter: Meter, exchange: Exchange
    ) -> None:
        self._partial = partial
        self._segment = segment
        self._bandwidth = bandwidth
        self._meter = meter
        self._exchange = exchange

    def write(self, parts: list[bytes]) -> bool:
        """Write what the segment lacks, no faster than the bandwidth; False once it lacks nothing."""
        if not self._bandwidth.is_limited:
            return self._write(parts)
        pieces = (self._bandwidth.throttle(part, self._exchange.wait) for part in parts)
        return all(self._write([piece]) for piece in itertools.chain.from_iterable(pieces))

    def _write(self, parts: list[bytes]) -> bool:
        size = sum(map(len, parts))
        at, taken = self._segment.take(size)
        if taken < size:
            parts = [b"".join(parts)[:taken]]
        if taken:
            self._meter.received(taken)
            self._partial.write(at, parts)
        return taken == size and not self._segment.is_cut_off
