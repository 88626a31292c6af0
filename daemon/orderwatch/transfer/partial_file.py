"""The partial on disk, and a control file beside it that lists the durable spans after its beginning."""

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from orderwatch.cancellation import shielded
from orderwatch.core.deliveries.byte_ranges import Ranges
from orderwatch.core.deliveries.file_version import FileVersion
from orderwatch.errors import LostBytesError
from orderwatch.fsync import sync
from orderwatch.transfer.block_writer import BlockWriter
from orderwatch.transfer.blocks import Block
from orderwatch.transfer.fsops import translate_os_errors, write_durable
from orderwatch.transfer.pools import Pool, Pools, Threads
from orderwatch.transfer.trailing_hash import Digests, TrailingHash

_MAX_QUEUED_BLOCKS = 4
_DIRECT_FROM_BYTES = 8 * 2**20  # of a file: small ones may stay in the page cache

_UNKNOWN_VERSION = FileVersion()


class Partial:
    """An open partial. Blocking work runs in three dedicated threads: writing, syncing and reading."""

    def __init__(
        self, path: Path, file: BlockWriter, held: Ranges, threads: Threads, blocks: Pool[Block]
    ) -> None:
        self._path = path
        self._file = file
        self._threads = threads
        self._blocks = blocks
        self._queued = threading.BoundedSemaphore(_MAX_QUEUED_BLOCKS)
        self._lock = threading.Lock()  # `_last_write` is the last one that was queued
        self._last_write: Future[None] | None = None
        self._failure: Exception | None = None
        self._syncing: asyncio.Future[None] | None = None
        self._trailing_hash = TrailingHash(file.handle, threads.reading)
        self.held = held

    def block(self, at: int) -> Block:
        """Return an empty block for the bytes at offset `at`, to be written. For any thread."""
        block = self._blocks.take()
        block.begin(at)
        return block

    def write(self, block: Block) -> None:
        """Queue a block to be written. For any thread; blocks it while too many are queued.

        After a failed write nothing more is written, so that nothing follows a hole.
        """
        self._queued.acquire()
        if self._failure is not None:
            self._release(block)
            raise self._failure
        with self._lock:
            self._last_write = self._threads.writing.submit(self._write, block)

    async def flush(self) -> None:
        """Wait until all queued bytes are written. Raises the error of a failed write."""
        if self._last_write is not None and not self._last_write.done():
            await asyncio.shield(asyncio.wrap_future(self._last_write))
        self._raise_failure()

    async def sync(self, version: FileVersion = _UNKNOWN_VERSION) -> Ranges:
        """Make all bytes written so far durable, record and return their ranges. Writing may continue."""
        if self._syncing is not None:  # its caller was cancelled: its failure counts for all
            await asyncio.shield(self._syncing)
        await self.flush()
        held = self.held
        work = self._threads.syncing.submit(_sync, self._file.handle, self._path, held, version)
        syncing = self._syncing = asyncio.wrap_future(work)
        await asyncio.shield(syncing)
        if self._syncing is syncing:
            self._syncing = None
        return held

    async def digests(self) -> Digests:
        """Return the digests of all bytes, which must have no gap."""
        await self.flush()
        return await self._trailing_hash.finish(self.held.prefix)

    async def restart(self) -> None:
        """Discard every byte."""
        await self.flush()
        await self._trailing_hash.restart()
        self.held = Ranges()
        await asyncio.shield(
            asyncio.wrap_future(self._threads.writing.submit(_rewind, self._file.handle, self._path))
        )

    async def wait_for_threads(self) -> None:
        """Wait until no thread uses the file."""
        self._trailing_hash.stop()
        with suppress(Exception):  # was raised by whoever wrote
            await self.flush()
        if self._syncing is not None:
            await asyncio.wait([self._syncing])
        await self._trailing_hash.wait()

    def _write(self, block: Block) -> None:
        at, data = block.at, block.bytes
        try:
            self._raise_failure()
            direct = at >= _DIRECT_FROM_BYTES and self._trailing_hash.replaces_reading(at)
            with translate_os_errors("cannot write the partial"):
                self._file.write(at, data, direct=direct)
        except Exception as error:  # noqa: BLE001 - raised by whoever writes or flushes next
            self._failure = error
            self._release(block)
            return
        self.held = self.held.joined(at, at + len(data))
        self._trailing_hash.feed(at, data, self.held.prefix, lambda: self._release(block))

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _release(self, block: Block) -> None:
        self._blocks.give(block)
        self._queued.release()


@asynccontextmanager
async def open_partial(
    path: Path, durable: int, version: FileVersion = _UNKNOWN_VERSION, pools: Pools | None = None
) -> AsyncIterator[Partial]:
    """Open or create the partial and keep only its durable bytes. Raises `DiskError`."""
    pools = pools or Pools()
    threads = pools.threads.take()
    opening = threads.writing.submit(_open, path, durable, version)
    try:
        file, held = await asyncio.wrap_future(opening)
        partial = Partial(path, file, held, threads, pools.blocks)
        try:
            yield partial
        finally:
            await shielded(partial.wait_for_threads())
    finally:
        closing = asyncio.wrap_future(threads.writing.submit(_close, opening))
        closing.add_done_callback(lambda _: pools.threads.give(threads))
        await shielded(asyncio.wait([closing]))


def control_file(part: Path) -> Path:
    """Return the path of the file that lists a partial's durable spans."""
    return part.with_suffix(".held")


def remove_partial(part: Path) -> None:
    """Remove a partial, its control file first. Blocking."""
    control_file(part).unlink(missing_ok=True)
    part.unlink(missing_ok=True)


@translate_os_errors("cannot open the partial")
def _open(path: Path, durable: int, version: FileVersion) -> tuple[BlockWriter, Ranges]:
    if path.exists() and path.stat().st_nlink > 1:  # after a crash it may be the delivered file too
        remove_partial(path)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(handle).st_size
        held = Ranges.of([(0, durable), *_durable_spans(path, version)]).below(size)
        os.ftruncate(handle, held.end)
        sync(path.parent)
    except BaseException:
        os.close(handle)
        raise
    return BlockWriter(handle), held


def _durable_spans(path: Path, version: FileVersion) -> list[tuple[int, int]]:
    """Return the durable spans listed in the control file, if it describes this version."""
    try:
        document = json.loads(control_file(path).read_bytes())
        if version == FileVersion.of(document):
            return [(int(start), int(stop)) for start, stop in document["held"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    return []


def _close(opening: Future[tuple[BlockWriter, Ranges]]) -> None:
    """Close the opened file, even if the caller was cancelled meanwhile."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].close()


# `LostBytesError`: the kernel may have dropped the pages and would report the next sync as successful.
@translate_os_errors("cannot flush the partial to disk", LostBytesError)
def _sync(handle: int, path: Path, held: Ranges, version: FileVersion) -> None:
    os.fdatasync(handle)
    if held.end > held.prefix:
        document = {**version.facts(), "held": held.spans}
        fresh = path.with_suffix(".held.new")
        write_durable(fresh, json.dumps(document).encode())
        fresh.replace(control_file(path))
        sync(path.parent)


@translate_os_errors("cannot write the partial")
def _rewind(handle: int, path: Path) -> None:
    if control_file(path).exists():
        control_file(path).unlink()
        sync(path.parent)  # before other bytes are written where it lists durable ones
    os.ftruncate(handle, 0)
