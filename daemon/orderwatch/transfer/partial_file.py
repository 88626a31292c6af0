"""The partial on disk, and beside it what of it is durable where that is more than its beginning."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec

from orderwatch.cancellation import shielded
from orderwatch.core.deliveries.byte_ranges import Ranges
from orderwatch.errors import LostBytesError
from orderwatch.fsync import sync
from orderwatch.transfer.fsops import translated, write_durable
from orderwatch.transfer.trailing_hash import TrailingHash

A = ParamSpec("A")
_IOV_MAX = 1024


@dataclass(frozen=True, slots=True)
class Edition:
    """Which bytes the partial is made of, as far as the server says it."""

    total: int | None = None
    validator: str | None = None


_UNSAID = Edition()


class Partial:
    """An open partial. Blocking work runs in threads of its own: one writes, one makes durable, one reads."""

    def __init__(self, path: Path, handle: int, held: Ranges, threads: "_Threads") -> None:
        self._path = path
        self._handle = handle
        self._threads = threads
        self._flight: asyncio.Future[None] | None = None
        self._syncing: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()
        self._follower = TrailingHash(handle, threads.reading)
        self.held = held  # handed over: written, or still in flight

    async def write(self, at: int, parts: list[bytes]) -> None:
        """Hand over some bytes for offset `at`; returns when the flush before is done."""
        async with self._turn:
            await self.settle()
            self._follower.go_on(self.held.prefix)
            self.held = self.held.joined(at, at + sum(map(len, parts)))
            self._begin(_write_all, self._handle, at, parts)

    async def sync(self, edition: Edition = _UNSAID) -> Ranges:
        """Make everything handed over durable, and known as such; returns it. Writing goes on meanwhile."""
        if self._syncing is not None:  # of somebody who was cancelled: its failure counts for all
            await asyncio.shield(self._syncing)
        async with self._turn:
            await self.settle()
            held = self.held
        work = self._threads.syncing.submit(_sync, self._handle, self._path, held, edition)
        syncing = self._syncing = asyncio.wrap_future(work)
        await asyncio.shield(syncing)
        if self._syncing is syncing:
            self._syncing = None
        return held

    async def sha256(self) -> str:
        """Of everything that was handed over, which must have no gap."""
        async with self._turn:
            await self.settle()
        return await self._follower.finish(self.held.prefix)

    async def restart(self) -> None:
        """Throw away every byte."""
        async with self._turn:
            await self.settle()
            await self._follower.restart()
            self.held = Ranges()
            self._begin(_rewind, self._handle, self._path)
            await self.settle()

    async def settle(self) -> None:
        """Wait for what is in flight. Its failure stays: nothing may follow a hole.

        Whoever is cancelled here leaves it in flight, so that the next to ask still learns how it ended.
        """
        if self._flight is not None:
            await asyncio.shield(self._flight)
            self._flight = None

    async def rest(self) -> None:
        """Wait until no thread works on the file any more."""
        self._follower.stop()
        for work in (self._flight, self._syncing, self._follower.work):
            if work is not None:
                await asyncio.wait([work])

    def _begin(self, work: Callable[A, None], *args: A.args, **kwargs: A.kwargs) -> None:
        self._flight = asyncio.wrap_future(self._threads.writing.submit(work, *args, **kwargs))


@asynccontextmanager
async def open_partial(path: Path, durable: int, edition: Edition = _UNSAID) -> AsyncIterator[Partial]:
    """Open or make the partial, believing only what is known to be durable. `DiskError` if that fails."""
    threads = _Threads()
    opening = threads.writing.submit(_open, path, durable, edition)
    try:
        handle, held = await asyncio.wrap_future(opening)
        partial = Partial(path, handle, held, threads)
        try:
            yield partial
        finally:
            await shielded(partial.rest())
    finally:
        closing = asyncio.wrap_future(threads.writing.submit(_close, opening))
        threads.end()
        await shielded(asyncio.wait([closing]))


def control_of(part: Path) -> Path:
    """Where it stands which spans of a partial are durable beyond its beginning."""
    return part.with_suffix(".held")


def forget(part: Path) -> None:
    """Remove a partial, first what says that bytes of it count. Blocking."""
    control_of(part).unlink(missing_ok=True)
    part.unlink(missing_ok=True)


class _Threads:
    def __init__(self) -> None:
        self.writing = ThreadPoolExecutor(1, thread_name_prefix="partial")
        self.syncing = ThreadPoolExecutor(1, thread_name_prefix="sync")
        self.reading = ThreadPoolExecutor(1, thread_name_prefix="read")

    def end(self) -> None:
        """Without waiting; what was submitted is still done."""
        for thread in (self.syncing, self.reading, self.writing):
            thread.shutdown(wait=False)


@translated("the partial cannot be opened")
def _open(path: Path, durable: int, edition: Edition) -> tuple[int, Ranges]:
    if path.exists() and path.stat().st_nlink > 1:  # after a crash, and a delivered file's too
        forget(path)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(handle).st_size
        held = Ranges.of([(0, durable), *_told(path, edition)]).below(size)
        os.ftruncate(handle, held.end)
        sync(path.parent)
    except BaseException:
        os.close(handle)
        raise
    return handle, held


def _told(path: Path, edition: Edition) -> list[tuple[int, int]]:
    """The durable spans by the control file, if it speaks of these very bytes."""
    try:
        told = json.loads(control_of(path).read_bytes())
        if edition == Edition(told["total"], told["validator"]):
            return [(int(start), int(stop)) for start, stop in told["held"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    return []


def _close(opening: Future[tuple[int, Ranges]]) -> None:
    """Close what was opened, be it for somebody who was cancelled meanwhile."""
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result()[0])


@translated("the partial cannot be written")
def _write_all(handle: int, at: int, parts: list[bytes]) -> None:
    views = [memoryview(part) for part in parts]
    while views:
        written = os.pwritev(handle, views[:_IOV_MAX], at)
        at += written
        while views and written >= len(views[0]):
            written -= len(views.pop(0))
        if views:
            views[0] = views[0][written:]


# The kernel may have dropped the pages and would call the next sync a success.
@translated("the partial cannot be made durable", LostBytesError)
def _sync(handle: int, path: Path, held: Ranges, edition: Edition) -> None:
    os.fdatasync(handle)
    if held.end > held.prefix:
        told = {"total": edition.total, "validator": edition.validator, "held": held.spans}
        fresh = path.with_suffix(".held.new")
        write_durable(fresh, json.dumps(told).encode())
        fresh.replace(control_of(path))
        sync(path.parent)


@translated("the partial cannot be written")
def _rewind(handle: int, path: Path) -> None:
    if control_of(path).exists():
        control_of(path).unlink()
        sync(path.parent)  # before other bytes stand where it says that some count
    os.ftruncate(handle, 0)
