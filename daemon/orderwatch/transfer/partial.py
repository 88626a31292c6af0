"""The partial on disk. All blocking work runs in a thread of its own, one flush in flight at a time."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from orderwatch.errors import DiskError, LostBytesError

R = TypeVar("R")


class Partial:
    """An open partial, written at its end."""

    def __init__(self, handle: int, length: int, thread: ThreadPoolExecutor) -> None:
        self._handle = handle
        self._thread = thread
        self._flush: asyncio.Future[None] | None = None
        self.length = length  # bytes handed over, written or still in flight

    async def write(self, parts: list[bytes]) -> None:
        """Hand over some bytes; returns when the flush before is done."""
        await self.settle()
        self.length += sum(map(len, parts))
        self._flush = self._run(lambda: _write_all(self._handle, parts))

    async def settle(self) -> None:
        flush, self._flush = self._flush, None
        if flush is not None:
            await _translated(flush)

    async def sync(self) -> int:
        """Make everything handed over durable; returns the length."""
        await self.settle()
        length = self.length
        try:
            await self._run(lambda: os.fdatasync(self._handle))
        except OSError as error:
            # The kernel may have dropped the pages and would call the next sync a success.
            raise LostBytesError(f"the partial cannot be made durable: {error.strerror}") from error
        return length

    async def restart(self) -> None:
        """Throw away every byte."""
        await self.settle()
        self.length = 0
        await _translated(self._run(lambda: _rewind(self._handle)))

    def _run(self, work: Callable[[], R]) -> asyncio.Future[R]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work)


@asynccontextmanager
async def open_partial(path: Path, durable: int) -> AsyncIterator[Partial]:
    """Open or make the partial, cut back to what is known to be durable. `DiskError` if that fails."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="partial") as thread:
        handle, length = await _translated(loop.run_in_executor(thread, _open, path, durable))
        partial = Partial(handle, length, thread)
        try:
            yield partial
        finally:
            thread.submit(os.close, handle)


def _open(path: Path, durable: int) -> tuple[int, int]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        length = min(os.fstat(handle).st_size, durable)
        os.ftruncate(handle, length)
        os.lseek(handle, length, os.SEEK_SET)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BaseException:
        os.close(handle)
        raise
    return handle, length


def _write_all(handle: int, parts: list[bytes]) -> None:
    views = [memoryview(part) for part in parts]
    while views:
        written = os.writev(handle, views[:1024])  # IOV_MAX
        while views and written >= len(views[0]):
            written -= len(views.pop(0))
        if views:
            views[0] = views[0][written:]


def _rewind(handle: int) -> None:
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)


async def _translated(work: "asyncio.Future[R]") -> R:
    try:
        return await work
    except OSError as error:
        raise DiskError(f"the partial cannot be written: {error.strerror}") from error
