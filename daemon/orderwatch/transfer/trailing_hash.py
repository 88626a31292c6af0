"""The sha256 of a partial while it grows: read back behind the writer, so that little is left at the end."""

import asyncio
import hashlib
import os
from concurrent.futures import Executor

from orderwatch.transfer.fsops import translated

_BLOCK = 2**20


class TrailingHash:
    """Reads the beginning of an open file again, in the given thread."""

    def __init__(self, handle: int, thread: Executor) -> None:
        self._handle = handle
        self._thread = thread
        self.work: asyncio.Future[None] | None = None
        self._goal = 0
        self._begin()

    def go_on(self, goal: int) -> None:
        """So many bytes from the first one on are written."""
        self._goal = goal
        if self.work is None or self.work.done():
            self.work = asyncio.wrap_future(self._thread.submit(self._read))

    async def finish(self, size: int) -> str:
        """The sha256 of the first `size` bytes, which must be written."""
        while self._at < size:
            self.go_on(size)
            await self._rest()
        return self._found.hexdigest()

    async def restart(self) -> None:
        """Other bytes are going to be written."""
        self.stop()
        await self._rest()
        self._begin()

    def stop(self) -> None:
        """Read no further than the present block."""
        self._goal = 0

    async def _rest(self) -> None:
        if self.work is not None:
            await asyncio.shield(self.work)

    def _begin(self) -> None:
        self._found, self._at = hashlib.sha256(), 0

    @translated("the partial cannot be read")
    def _read(self) -> None:
        block = memoryview(bytearray(_BLOCK))
        while (room := min(len(block), self._goal - self._at)) > 0:
            read = os.preadv(self._handle, [block[:room]], self._at)
            if not read:
                raise OSError(None, "it is shorter than what was written")
            self._found.update(block[:read])
            self._at += read
