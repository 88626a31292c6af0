"""Reads single pieces of a file whose size is known."""

import os
import threading

from orderwatch.core.formatting import format_bytes_pair
from orderwatch.errors import BadBytesError
from orderwatch.transfer.zip.reader import raise_if_stopped


class BoundedFile:
    """An open file of `size` bytes; a piece past its end raises `BadBytesError`, which calls it `name`.

    Raises `InterruptedError` soon after `stop` is set.
    """

    def __init__(self, handle: int, size: int, name: str, stop: threading.Event) -> None:
        self.size = size
        self._handle = handle
        self._name = name
        self._stop = stop

    def require(self, at: int, size: int) -> None:
        """Raise unless the file has these bytes."""
        if at + size > self.size:
            has, needs = format_bytes_pair(self.size, at + size)
            raise BadBytesError(f"the {self._name} is incomplete: it has {has} and needs {needs}")

    def read(self, at: int, size: int) -> bytes:
        """Return these bytes."""
        self.require(at, size)
        raise_if_stopped(self._stop)
        data = os.pread(self._handle, size, at)
        if len(data) < size:
            self.size = at + len(data)
            self.require(at, size)
        return data

    def damaged(self, what: str) -> BadBytesError:
        """Return the error of a file that contradicts itself."""
        return BadBytesError(f"the {self._name} is damaged: {what}")
