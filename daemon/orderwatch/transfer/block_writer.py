"""Writes blocks into an open file, past the page cache if nobody will read them back. Blocking.

A direct write costs half the CPU time of a copy into the page cache, and evicts nothing from it.
"""

import errno
import os

from orderwatch.transfer.blocks import PAGE_BYTES

_NOT_SUPPORTED = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOENT}  # by the file system, or without /proc


class BlockWriter:
    """Owns the `handle` of an open file; written by one thread. Raises `OSError`."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self._direct: int | None = None
        self._is_supported = True

    def write(self, at: int, data: memoryview, *, direct: bool) -> None:
        """Write the bytes at offset `at`; `direct` only if their memory is aligned as in the file."""
        start = -at % PAGE_BYTES
        stop = len(data) - (at + len(data)) % PAGE_BYTES
        if direct and self._is_supported and start < stop:
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
        try:
            if self._direct is None:
                flags = os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC
                self._direct = os.open(f"/proc/self/fd/{self.handle}", flags)
            return os.pwrite(self._direct, pages, at) // PAGE_BYTES * PAGE_BYTES
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
            self._is_supported = False
            return 0

    def _write_all(self, at: int, data: memoryview) -> None:
        while data:
            written = os.pwritev(self.handle, [data], at)
            at, data = at + written, data[written:]
