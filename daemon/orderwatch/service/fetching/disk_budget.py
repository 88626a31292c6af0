"""The reservation ledger: no download begins that would fill the disk beyond what has to stay free."""

from collections.abc import Callable, Hashable, MutableMapping
from typing import NamedTuple

from orderwatch.core.formatting import format_bytes_pair
from orderwatch.errors import DiskError


class Reservation(NamedTuple):
    disk: int
    size: int  # bytes


Reservations = MutableMapping[Hashable, Reservation]


class DiskBudget:
    """The room in one tree; trees that share `promises` share the room of a disk.

    `free` asks the destination for its free bytes, of which `keep_free` are never touched; `disk` says on
    which disk it is now.
    """

    def __init__(
        self,
        free: Callable[[], int],
        keep_free: int,
        disk: Callable[[], int] = lambda: 0,
        reservations: Reservations | None = None,
    ) -> None:
        self._free = free
        self.keep_free = keep_free
        self._disk = disk
        self._reservations: Reservations = {} if reservations is None else reservations

    def reserve(self, who: Hashable, remaining: int) -> None:
        """Take room for what a download still has to write; `DiskError` if there is none.

        What needs none is never refused: a partial that is complete can be published on a full disk.
        """
        disk, room = self._disk(), self.room(who)
        if remaining > room:
            self.release(who)
            needed, left = format_bytes_pair(remaining, room)
            raise DiskError(f"no space: {needed} needed, {left} may be written")
        self._reservations[who] = Reservation(disk, remaining)

    def room(self, who: Hashable = None) -> int:
        """Bytes that may be written besides what others than `who` are going to write; `DiskError`."""
        disk = self._disk()
        others = sum(p.size for key, p in self._reservations.items() if key != who and p.disk == disk)
        return max(0, self._free() - self.keep_free - others)

    def wrote(self, who: Hashable, size: int) -> None:
        """So much of what was reserved is written, and no longer free."""
        if who in self._reservations:
            held = self._reservations[who]
            self._reservations[who] = held._replace(size=max(0, held.size - size))

    @property
    def promised(self) -> int:
        """Bytes that are still to be written, by whomever."""
        return sum(promise.size for promise in self._reservations.values())

    def release(self, who: Hashable) -> None:
        self._reservations.pop(who, None)
