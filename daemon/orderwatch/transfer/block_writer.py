"""Writes blocks into an open file, past the page cache if nobody will read them back. Blocking.

A direct write costs half the CPU time of a copy into the page cache, and evicts nothing from it. But it waits
for the disk: a slow one does better with the page cache, from which it takes larger pieces of a file at once.
"""

import errno
import os
import time
from collections.abc import Callable

from orderwatch.transfer.blocks import PAGE_BYTES

_DIRECT = os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC
_JUDGED_BYTES = 16 * 2**20
_MIN_BYTES_PER_SECOND = 200_000_000  # of direct writes
_NOT_SUPPORTED = {errno.EINVAL, errno.EOPNOTSUPP}  # by the file system


class BlockWriter:
    """Owns the `handle` of an open file; written by one thread. Raises `OSError`."""

    def __init__(self, handle: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.handle = handle
        self._clock = clock
        self._direct: int | None = None
        self._is_direct = True  # if wanted
        self._direct_bytes, self._direct_seconds = 0, 0.0

    def write(self, at: int, data: memoryview, *, direct: bool) -> None:
        """Write the bytes at offset `at`; `direct` only if their memory is aligned as in the file."""
        start = -at % PAGE_BYTES
        stop = len(data) - (at + len(data)) % PAGE_BYTES
        if direct and self._is_direct and start < stop:
            written = self._write_pages(at + start, data[start:stop])
            self._write_all(at, data[:start])
            start += written
        else:
            start = 0
        self._write_all(at + start, data[start:])

    def close(self) -> None:
        """Close the file."""
        try:
            if self._direct is not None:
                os.close(self._direct)
        finally:
            os.close(self.handle)

    def _write_pages(self, at: int, pages: memoryview) -> int:
        """Return how many of the bytes were written: a whole number of pages, 0 if that is not supported."""
        if self._direct is None:
            try:
                self._direct = os.open(f"/proc/self/fd/{self.handle}", _DIRECT)
            except OSError:  # of the file system, a sandbox or a limit: usual writes will do
                self._is_direct = False
                return 0
        began = self._clock()
        try:
            written = os.pwrite(self._direct, pages, at) // PAGE_BYTES * PAGE_BYTES
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
            self._is_direct = False
            return 0
        self._judge(written, self._clock() - began)
        return written

    def _judge(self, written: int, seconds: float) -> None:
        """Stop direct writes if the disk turns out to be slow."""
        self._direct_bytes += written
        self._direct_seconds += seconds
        if self._direct_bytes >= _JUDGED_BYTES:
            self._is_direct = self._direct_bytes > self._direct_seconds * _MIN_BYTES_PER_SECOND

    def _write_all(self, at: int, data: memoryview) -> None:
        while data:
            written = os.pwritev(self.handle, [data], at)
            at, data = at + written, data[written:]
