"""The partial on disk. All blocking work runs in a thread of its own, one flush in flight at a time."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ParamSpec

from orderwatch.errors import LostBytesError
from orderwatch.transfer.disk import sync, translated

A = ParamSpec("A")


class Partial:
    """An open partial, written at its end."""

    def __init__(self, handle: int, length: int, thread: ThreadPoolExecutor) -> None:
        self._handle = handle
        self._thread = thread
        self._flight: asyncio.Future[None] | None = None
        self.length = length  # bytes handed over, written or still in flight

    async def write(self, parts: list[bytes]) -> None:
        """Hand over some bytes; returns when the flush before is done."""
        await self.settle()
        self.length += sum(map(len, parts))
        self._begin(_write_all, self._handle, parts)

    async def settle(self) -> None:
        """Wait for what is in flight. Its failure stays: nothing may follow a hole.

        Whoever is cancelled here leaves it in flight, so that the next to ask still learns how it ended.
        """
        if self._flight is not None:
            await asyncio.shield(self._flight)
            self._flight = None

    async def sync(self) -> int:
        """Make everything handed over durable; returns the length."""
        await self.settle()
        length = self.length
        self._begin(_sync, self._handle)
        await self.settle()
        return length

    async def restart(self) -> None:
        """Throw away every byte."""
        await self.settle()
        self.length = 0
        self._begin(_rewind, self._handle)
        await self.settle()

    def _begin(self, work: Callable[A, None], *args: A.args, **kwargs: A.kwargs) -> None:
        self._flight = asyncio.wrap_future(self._thread.submit(work, *args, **kwargs))


@asynccontextmanager
async def open_partial(path: Path, durable: int) -> AsyncIterator[Partial]:
    """Open or make the partial, cut back to what is known to be durable. `DiskError` if that fails."""
    with ThreadPoolExecutor(1, thread_name_prefix="partial") as thread:
        opening = thread.submit(_open, path, durable)
        try:
            handle, length = await asyncio.wrap_future(opening)
            yield Partial(handle, length, thread)
        finally:
            thread.submit(_close, opening)


@translated("the partial cannot be opened")
def _open(path: Path, durable: int) -> tuple[int, int]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        length = min(os.fstat(handle).st_size, durable)
        os.ftruncate(handle, length)
        os.lseek(handle, length, os.SEEK_SET)
        sync(path.parent)
    except BaseException:
        os.close(handle)
        raise
    return handle, length


def _close(opening: Future[tuple[int, int]]) -> None:
    """Close what was opened, be it for somebody who was cancelled meanwhile."""
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result()[0])


@translated("the partial cannot be written")
def _write_all(handle: int, parts: list[bytes]) -> None:
    views = [memoryview(part) for part in parts]
    while views:
        written = os.writev(handle, views[:1024])  # IOV_MAX
        while views and written >= len(views[0]):
            written -= len(views.pop(0))
        if views:
            views[0] = views[0][written:]


# The kernel may have dropped the pages and would call the next sync a success.
@translated("the partial cannot be made durable", LostBytesError)
def _sync(handle: int) -> None:
    os.fdatasync(handle)


@translated("the partial cannot be written")
def _rewind(handle: int) -> None:
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
