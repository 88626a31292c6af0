"""Writes the bytes of all connections into the partial and records checkpoints in the delivery's row."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from orderwatch.core.deliveries.file_version import FileVersion
from orderwatch.errors import DiskError
from orderwatch.ports import Checkpoint
from orderwatch.transfer.http.segments import Segment
from orderwatch.transfer.partial_file import Partial

_FLUSH_BYTES = 4 * 2**20
_MAX_UNSYNCED_BYTES = 64 * 2**20  # downloaded again after a power cut
_MIN_CHECKPOINT_SECONDS = 0.25
_CHECKPOINT_TIME_FACTOR = 20  # checkpoints take at most a twentieth of the time
_SKIP_SYNC_BYTES = 8 * 2**20  # at the end of a file: verification syncs them soon enough


class PartialWriter:
    """Writes the bytes of one attempt, from all of its connections."""

    def __init__(self, partial: Partial, version: FileVersion, checkpoint: Checkpoint) -> None:
        self._partial = partial
        self._version = version
        self._checkpoint = checkpoint
        self._clock = asyncio.get_running_loop().time
        self._synced = partial.held.total
        self._due = self._clock() + _MIN_CHECKPOINT_SECONDS
        self._checkpoint_task: asyncio.Task[None] | None = None
        self.received = 0

    async def write_chunks(
        self, chunks: AsyncIterator[bytes], segment: Segment, on_chunk: Callable[[], None]
    ) -> None:
        """Write chunks until the segment is complete or the connection ends; keeps what arrived."""
        batch = _Batch(self._partial, segment)
        async with _save_unless_disk_failed(batch.flush):
            async for chunk in chunks:
                self.received += batch.add(chunk)
                on_chunk()
                if segment.left == 0:
                    break
                if batch.size >= _FLUSH_BYTES or self._clock() >= self._due:
                    await batch.flush()
                await self._checkpoint_if_due()

    @asynccontextmanager
    async def checkpointed(self) -> AsyncIterator[None]:
        """Save a last checkpoint when the body fails; after success, only if much is not durable yet."""
        try:
            async with _save_unless_disk_failed(self._save_rest):
                yield
                if self._partial.held.total - self._synced < _SKIP_SYNC_BYTES:
                    self._synced = self._partial.held.total
        finally:
            if self._checkpoint_task is not None:
                await asyncio.gather(self._checkpoint_task, return_exceptions=True)

    async def _checkpoint_if_due(self) -> None:
        unsynced = self._partial.held.total - self._synced
        if self._checkpoint_task is not None and (
            self._checkpoint_task.done() or unsynced >= _MAX_UNSYNCED_BYTES
        ):
            await self._join_checkpoint()
        if self._checkpoint_task is None and (
            self._clock() >= self._due or unsynced >= _MAX_UNSYNCED_BYTES // 2
        ):
            self._checkpoint_task = asyncio.create_task(self._save_checkpoint())

    async def _save_checkpoint(self) -> None:
        before = self._clock()
        held = await self._partial.sync(self._version)
        await self._checkpoint(held.prefix, held.total)
        self._synced = held.total
        self._due = self._clock() + max(
            _MIN_CHECKPOINT_SECONDS, _CHECKPOINT_TIME_FACTOR * (self._clock() - before)
        )

    async def _join_checkpoint(self) -> None:
        """Wait for the running checkpoint and raise its error, also if another connection waits for it."""
        if (task := self._checkpoint_task) is not None:
            await asyncio.shield(task)
            if self._checkpoint_task is task:
                self._checkpoint_task = None

    async def _save_rest(self) -> None:
        await self._join_checkpoint()
        if self._partial.held.total > self._synced:
            await self._save_checkpoint()


class _Batch:
    """Collects bytes of one connection for one flush."""

    def __init__(self, partial: Partial, segment: Segment) -> None:
        self._partial = partial
        self._segment = segment
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, chunk: bytes) -> int:
        """Add the part of the chunk that the segment lacks; returns its size in bytes."""
        piece = chunk if self._segment.left is None else chunk[: self._segment.left]
        self._parts.append(piece)
        self.size += len(piece)
        self._segment.at += len(piece)
        return len(piece)

    async def flush(self) -> None:
        if self.size:
            parts, at = self._parts, self._segment.at - self.size
            self._parts, self.size = [], 0
            await self._partial.write(at, parts)


@asynccontextmanager
async def _save_unless_disk_failed(save: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Call `save` however the body ends, except after a `DiskError`: the disk's state is then unknown."""
    try:
        yield
    except DiskError:
        raise
    except asyncio.CancelledError:
        with suppress(DiskError):  # the next attempt raises it
            await save()
        raise
    except Exception:
        await save()
        raise
    await save()
