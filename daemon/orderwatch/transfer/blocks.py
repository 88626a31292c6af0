"""Memory for the bytes of files on their way to the disk."""

import mmap

BLOCK_BYTES = 2**20  # written and hashed at once: it fits into a processor's cache
PAGE_BYTES = 4096


class Block:
    """Bytes of a file from offset `at` on, as many as were `add`ed.

    Pages of the file are pages of the memory, so that they can be written directly.
    """

    def __init__(self) -> None:
        # Shared: in a private mapping a fork beside a direct write may change what is written (open(2)).
        self._memory = memoryview(mmap.mmap(-1, BLOCK_BYTES, mmap.MAP_SHARED))
        self.begin(0)

    def begin(self, at: int) -> None:
        """Empty the block; the next bytes are those at offset `at`."""
        self.at = at
        self._first = self._end = at % PAGE_BYTES

    def add(self, chunk: bytes | memoryview) -> bool:
        """Add all the bytes; False if there is no room for all of them."""
        end = self._end + len(chunk)
        if end > BLOCK_BYTES:
            return False
        self._memory[self._end : end] = chunk
        self._end = end
        return True

    def cut(self, size: int) -> None:
        """Keep only the first `size` bytes."""
        self._end = self._first + size

    @property
    def room(self) -> int:
        return BLOCK_BYTES - self._end

    @property
    def size(self) -> int:
        return self._end - self._first

    @property
    def bytes(self) -> memoryview:
        return self._memory[self._first : self._end]
