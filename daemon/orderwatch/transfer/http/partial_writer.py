"""Writes the bytes of all connections into the partial and records checkpoints in the delivery's row."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from orderwatch.core.deliveries.file_version import FileVersion
from orderwatch.core.formatting import format_bytes_pair
from orderwatch.errors import DiskError, TransferError
from orderwatch.ports import Checkpoint, Meter
from orderwatch.transfer.blocks import Block
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
        segment.is_answered = True
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
        self._next = segment.at  # behind the bytes of former blocks
        self._block: Block | None = None

    def add(self, chunk: bytes) -> bool:
        return self._block is not None and self._block.add(chunk)

    def write(self, chunk: bytes) -> bool:
        """Collect bytes, no faster than the bandwidth; False once the segment lacks nothing."""
        pieces = self._bandwidth.throttle(chunk, self._exchange.wait)
        if self._bandwidth.is_limited:
            return all(self._put(piece) and self.flush() for piece in pieces)
        return all(map(self._put, pieces))

    def flush(self) -> bool:
        """Write what the segment lacks of the bytes collected so far; False once it lacks nothing."""
        block, self._block = self._block, None
        if block is None:
            return not self._segment.is_cut_off
        size = block.size
        _, taken = self._segment.take(size)
        block.cut(taken)
        self._next += size
        self._meter.received(taken)
        self._partial.write(block)
        return taken == size and not self._segment.is_cut_off

    def _put(self, piece: bytes) -> bool:
        rest = memoryview(piece)
        while rest:
            if self._block is None:
                self._block = self._partial.block(self._next)
            fitting = rest[: self._block.room]
            self._block.add(fitting)
            rest = rest[len(fitting) :]
            if not self._block.room and not self.flush():
                return False
        return True
