"""Writes the bytes of all connections into the partial and records checkpoints in the delivery's row."""

import asyncio
import time
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

_BLOCK_BYTES = 2**20  # written and hashed at once: it fits into a processor's cache
_MAX_BLOCK_SECONDS = 0.2  # a slow connection's bytes are written no later
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
        self._synced = partial.held.total
        self._due = self._clock() + _MIN_CHECKPOINT_SECONDS

    async def receive(self, response: Response, segment: Segment) -> None:
        """Write a body until the segment is complete. Raises `TransferError`, but keeps what arrived."""
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
    """Collects the bytes of one connection into blocks, in the connection's thread."""

    def __init__(
        self, partial: Partial, segment: Segment, bandwidth: RateLimit, meter: Meter, exchange: Exchange
    ) -> None:
        self._partial = partial
        self._segment = segment
        self._bandwidth = bandwidth
        self._meter = meter
        self._exchange = exchange
        self._parts: list[bytes] = []
        self._at, self._size = segment.at, 0
        self._flush_at = 0.0

    def write(self, chunk: bytes) -> bool:
        return all(map(self._add, self._bandwidth.throttle(chunk, self._exchange.wait)))

    def close(self) -> None:
        self._flush()

    def _add(self, part: bytes) -> bool:
        at, size = self._segment.take(len(part))
        if size:
            if not self._parts:
                self._at, self._flush_at = at, time.monotonic() + _MAX_BLOCK_SECONDS
            self._parts.append(part if size == len(part) else part[:size])
            self._size += size
            if self._size >= _BLOCK_BYTES or time.monotonic() >= self._flush_at:
                self._flush()
        return size == len(part) and not self._segment.is_cut_off

    def _flush(self) -> None:
        if self._parts:
            parts, self._parts = self._parts, []
            self._meter.received(self._size)
            self._size = 0
            self._partial.write(self._at, parts)
