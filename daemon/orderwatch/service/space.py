"""The reservation ledger: no download begins that would fill the disk beyond what has to stay free."""

from collections.abc import Callable, Hashable

from orderwatch.errors import DiskError


class Space:
    """`free` asks the destination for its free bytes; `keep_free` is never touched."""

    def __init__(self, free: Callable[[], int], keep_free: int) -> None:
        self._free = free
        self._keep_free = keep_free
        self._reserved: dict[Hashable, int] = {}

    def reserve(self, who: Hashable, remaining: int) -> None:
        """Take room for what a download still has to write; `DiskError` if there is none."""
        others = sum(size for key, size in self._reserved.items() if key != who)
        room = self._free() - self._keep_free - others
        if remaining > room:
            self.release(who)
            raise DiskError(f"no space: {remaining} bytes are needed, {max(room, 0)} may be written")
        self._reserved[who] = remaining

    def wrote(self, who: Hashable, size: int) -> None:
        """So much of what was reserved is written, and no longer free."""
        if who in self._reserved:
            self._reserved[who] = max(0, self._reserved[who] - size)

    def release(self, who: Hashable) -> None:
        self._reserved.pop(who, None)
