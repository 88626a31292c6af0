"""Computes checksums of a partial while it grows: as bytes are written, else reading behind the writer."""

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import NamedTuple

from orderwatch.transfer.fsops import translate_os_errors
from orderwatch.transfer.zip.stream import MemberScanner

_BLOCK_BYTES = 2**20


class Digests(NamedTuple):
    """The sha256 of a file, and CRCs of a zip's stored members by start and size of their packed bytes."""

    sha256: str
    crcs: Mapping[tuple[int, int], int]


class TrailingHash:
    """The digests of an open file's beginning; bytes that were written out of order are read in `thread`."""

    def __init__(self, handle: int, thread: Executor) -> None:
        self._handle = handle
        self._thread = thread
        self._lock = threading.Lock()
        self._last_work: Future[object] | None = None
        self._reset()

    def feed(self, at: int, parts: Sequence[bytes], prefix: int) -> None:
        """Hash bytes that were just written at offset `at`, if they come next; `prefix` bytes are written."""
        if not self._lock.acquire(blocking=False):  # it is reading
            self._goal = prefix
            return
        try:
            if at == self._at:
                for part in parts:
                    self._add(part)
            behind = self._at < prefix
        finally:
            self._lock.release()
        if behind:
            self._goal = prefix
            self._last_work = self._thread.submit(self._read)

    async def finish(self, size: int) -> Digests:
        """Return the digests of the first `size` bytes, which must be written."""
        if self._at < size:
            self._goal = size
            await self._run(self._read)
        return Digests(self._found.hexdigest(), self._members.crcs)

    async def restart(self) -> None:
        """Start from the first byte again, because other bytes will be written."""
        self.stop()
        await self._run(self._reset)

    def stop(self) -> None:
        """Stop after the current block, whatever else is written."""
        self._is_stopped = True

    async def wait(self) -> None:
        """Wait until nothing is read any more."""
        if self._last_work is not None:
            await asyncio.wait([asyncio.wrap_future(self._last_work)])

    async def _run(self, work: Callable[[], object]) -> None:
        self._last_work = self._thread.submit(work)
        await asyncio.shield(asyncio.wrap_future(self._last_work))

    def _reset(self) -> None:
        self._found, self._members, self._at = hashlib.sha256(), MemberScanner(), 0
        self._goal, self._is_stopped = 0, False

    def _add(self, block: bytes | memoryview) -> None:
        self._found.update(block)
        self._members.feed(block)
        self._at += len(block)

    @translate_os_errors("cannot read the partial")
    def _read(self) -> None:
        block = memoryview(bytearray(_BLOCK_BYTES))
        with self._lock:
            while not self._is_stopped and (room := min(len(block), self._goal - self._at)) > 0:
                read = os.preadv(self._handle, [block[:room]], self._at)
                if not read:
                    raise OSError(None, "it is shorter than the bytes written")
                self._add(block[:read])
