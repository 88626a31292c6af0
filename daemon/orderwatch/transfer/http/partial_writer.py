"""From connections into the partial: gathered, written, made durable, and told to the row."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from orderwatch.errors import DiskError
from orderwatch.ports import Checkpoint
from orderwatch.transfer.http.response import check_leading
from orderwatch.transfer.http.segments import Segment
from orderwatch.transfer.partial_file import Edition, Partial

_BUFFER = 4 * 2**20  # bytes gathered for one flush
_STRETCH = 64 * 2**20  # most bytes fetched again after a power cut
_SOONEST = 0.25  # seconds between checkpoints, stretched so that they take at most a twentieth of the time
_SHARE = 20
_REST = 8 * 2**20  # bytes at the end of a file that its verification makes durable soon enough


class PartialWriter:
    """One attempt's bytes, by however many connections they come."""

    def __init__(self, partial: Partial, edition: Edition, attachment: str, checkpoint: Checkpoint) -> None:
        self._partial = partial
        self._edition = edition
        self._attachment = attachment
        self._checkpoint = checkpoint
        self._clock = asyncio.get_running_loop().time
        self._synced = partial.held.total
        self._due = self._clock() + _SOONEST
        self._marking: asyncio.Task[None] | None = None
        self.received = 0

    async def pour(self, chunks: AsyncIterator[bytes], claim: Segment, tend: Callable[[], None]) -> None:
        """Take the claim's bytes until it has them or the connection ends; what came is handed over."""
        batch = _Batch(self._partial, claim)
        async with _unless_the_disk(batch.flush):
            async for chunk in chunks:
                if claim.at == 0:
                    check_leading(self._attachment, chunk)
                self.received += batch.add(chunk)
                tend()
                if claim.left == 0:
                    break
                if batch.size >= _BUFFER or self._clock() >= self._due:
                    await batch.flush()
                await self._mark_sometimes()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """However the work within fails, what came is durable and told afterwards; if it ends, most of it."""
        try:
            async with _unless_the_disk(self._mark_rest):
                yield
                if self._partial.held.total - self._synced < _REST:
                    self._synced = self._partial.held.total
        finally:
            if self._marking is not None:
                await asyncio.gather(self._marking, return_exceptions=True)

    async def _mark_sometimes(self) -> None:
        unsynced = self._partial.held.total - self._synced
        if self._marking is not None and (self._marking.done() or unsynced >= _STRETCH):
            await self._meet()
        if self._marking is None and (self._clock() >= self._due or unsynced >= _STRETCH // 2):
            self._marking = asyncio.create_task(self._mark())

    async def _mark(self) -> None:
        before = self._clock()
        held = await self._partial.sync(self._edition)
        await self._checkpoint(held.prefix, held.total)
        self._synced = held.total
        self._due = self._clock() + max(_SOONEST, _SHARE * (self._clock() - before))

    async def _meet(self) -> None:
        """Learn how the last marking ended, whoever else wants to know."""
        if (marking := self._marking) is not None:
            await asyncio.shield(marking)
            if self._marking is marking:
                self._marking = None

    async def _mark_rest(self) -> None:
        await self._meet()
        if self._partial.held.total > self._synced:
            await self._mark()


class _Batch:
    """Bytes of one connection, gathered for one flush."""

    def __init__(self, partial: Partial, claim: Segment) -> None:
        self._partial = partial
        self._claim = claim
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, chunk: bytes) -> int:
        """Take what the claim still lacks of it; returns how many bytes that were."""
        piece = chunk if self._claim.left is None else chunk[: self._claim.left]
        self._parts.append(piece)
        self.size += len(piece)
        self._claim.at += len(piece)
        return len(piece)

    async def flush(self) -> None:
        if self.size:
            parts, at = self._parts, self._claim.at - self.size
            self._parts, self.size = [], 0
            await self._partial.write(at, parts)


@asynccontextmanager
async def _unless_the_disk(save: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Save what came, unless the disk itself is the trouble: what it refused is not known to be there."""
    try:
        yield
    except DiskError:
        raise
    except asyncio.CancelledError:
        with suppress(DiskError):  # the next attempt will meet it
            await save()
        raise
    except Exception:
        await save()
        raise
    await save()
