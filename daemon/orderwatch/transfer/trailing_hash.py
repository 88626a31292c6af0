"""Hashes a partial while it grows, reading behind the writer, so that little is left at the end."""

import asyncio
import hashlib
import os
from concurrent.futures import Executor

from orderwatch.transfer.fsops import translate_os_errors

_BLOCK_BYTES = 2**20


class TrailingHash:
    """The sha256 of an open file's beginning, computed in the given thread."""

    def __init__(self, handle: int, thread: Executor) -> None:
        self._handle = handle
        self._thread = thread
        self.work: asyncio.Future[None] | None = None
        self._goal = 0
        self._reset()

    def extend(self, goal: int) -> None:
        """Hash up to `goal` bytes from the first one on; they must be written."""
        self._goal = goal
        if self.work is None or self.work.done():
            self.work = asyncio.wrap_future(self._thread.submit(self._read))

    async def finish(self, size: int) -> str:
        """Return the sha256 of the first `size` bytes, which must be written."""
        while self._at < size:
            self.extend(size)
            await self._join()
        return self._found.hexdigest()

    async def restart(self) -> None:
        """Start from the first byte again, because other bytes will be written."""
        self.stop()
        await self._join()
        self._reset()

    def stop(self) -> None:
        """Stop after the current block."""
        self._goal = 0

    async def _join(self) -> None:
        if self.work is not None:
            await asyncio.shield(self.work)

    def _reset(self) -> None:
        self._found, self._at = hashlib.sha256(), 0

    @translate_os_errors("cannot read the partial")
    def _read(self) -> None:
        block = memoryview(bytearray(_BLOCK_BYTES))
        while (room := min(len(block), self._goal - self._at)) > 0:
            read = os.preadv(self._handle, [block[:room]], self._at)
            if not read:
                raise OSError(None, "it is shorter than the bytes written")
            self._found.update(block[:read])
            self._at += read
