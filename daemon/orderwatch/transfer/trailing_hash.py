"""Computes checksums of a partial while it grows: of written blocks, else reading behind the writer."""

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import NamedTuple

from orderwatch.transfer.blocks import BLOCK_BYTES
from orderwatch.transfer.fsops import translate_os_errors
from orderwatch.transfer.zip.stream import MemberScanner

_INLINE_BYTES = 8 * 2**20  # of a file are hashed by its writer: for less, a second thread costs too much


class Digests(NamedTuple):
    """The sha256 of a file, and CRCs of a zip's stored members by start and size of their packed bytes."""

    sha256: str
    crcs: Mapping[tuple[int, int], int]


class TrailingHash:
    """The digests of an open file's beginning, computed by its writer, and in the one thread of `thread`.

    Bytes that were written out of order are read back there.
    """

    def __init__(self, handle: int, thread: Executor) -> None:
        self._handle = handle
        self._thread = thread
        self._lock = threading.Lock()  # over `_next`, `_goal` and `_is_reading`
        self._last_work: Future[None] | None = None
        self._next = self._goal = 0
        self._is_reading = self._is_stopped = False
        self._reset()

    def feed(self, at: int, data: memoryview, prefix: int, on_done: Callable[[], None]) -> None:
        """Hash bytes that were just written at offset `at`, if they come next; `prefix` bytes are written.

        `on_done` is called once the data is no longer needed.
        """
        with self._lock:
            is_next = at == self._next and not self._is_reading
            if is_next:
                self._next += len(data)
            self._goal = prefix
            is_behind = self._next < prefix and not self._is_reading
            self._is_reading |= is_behind
        if not is_next:
            on_done()
        elif at < _INLINE_BYTES and self._last_work is None:
            self._add_written(at, data, on_done)
        else:
            self._submit(lambda: self._add_written(at, data, on_done))
        if is_behind:
            self._submit(self._read)

    def replaces_reading(self, at: int) -> bool:
        """Return whether bytes written at offset `at` are hashed now and nothing has to read them again."""
        with self._lock:
            is_next = at == self._next and not self._is_reading
        return is_next and self._members.covers_all

    async def finish(self, size: int) -> Digests:
        """Return the digests of the first `size` bytes, which must be written."""
        if self._last_work is not None or self._at < size:  # else the writer has hashed them all
            with self._lock:
                self._goal, self._is_reading = size, True
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
        """Wait until the file is not read any more."""
        if self._last_work is not None:
            await asyncio.wait([asyncio.wrap_future(self._last_work)])

    async def _run(self, work: Callable[[], None]) -> None:
        await asyncio.shield(asyncio.wrap_future(self._submit(work)))

    def _submit(self, work: Callable[[], None]) -> "Future[None]":
        self._last_work = self._thread.submit(work)
        return self._last_work

    # In the thread, or in the writer's until there is work for it:

    def _reset(self) -> None:
        self._found, self._members, self._at = hashlib.sha256(), MemberScanner(), 0
        self._next = self._goal = 0
        self._is_reading = self._is_stopped = False

    def _add_written(self, at: int, data: memoryview, on_done: Callable[[], None]) -> None:
        try:
            if at == self._at and not self._is_stopped:
                self._add(data)
        except Exception:  # noqa: BLE001 - `finish` meets it again
            self._reset()
        on_done()

    def _add(self, block: bytes | memoryview) -> None:
        self._found.update(block)
        self._members.feed(block)
        self._at += len(block)

    @translate_os_errors("cannot read the partial")
    def _read(self) -> None:
        """Catch up with the writer, whose bytes count again from there on."""
        block = memoryview(bytearray(BLOCK_BYTES))
        try:
            while (room := self._room()) > 0:
                self._add(block[: _read_some(self._handle, block[: min(room, len(block))], self._at)])
        except BaseException:
            self._is_reading = False
            raise

    def _room(self) -> int:
        """Return how many bytes are to be read; 0 ends the reading."""
        with self._lock:
            room = 0 if self._is_stopped else self._goal - self._at
            if room <= 0:
                self._next, self._is_reading = self._at, False
            return room


def _read_some(handle: int, block: memoryview, at: int) -> int:
    if not (read := os.preadv(handle, [block], at)):
        raise OSError(None, "it is shorter than the bytes written")
    return read
