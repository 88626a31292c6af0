"""Disk-space reservations: no download begins that would use the space that has to stay free."""

from collections.abc import Callable, Hashable, MutableMapping
from typing import NamedTuple

from orderwatch.core.formatting import format_bytes_pair
from orderwatch.errors import DiskError


class Reservation(NamedTuple):
    """Bytes on a disk that a download will write."""

    disk: int
    size: int


Reservations = MutableMapping[Hashable, Reservation]


class DiskBudget:
    """The disk space of one tree; trees on the same disk share `reservations`.

    `free` returns the free bytes of the destination, of which `keep_free` are never used; `disk` returns its
    current device.
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

    def reserve(self, key: Hashable, remaining: int) -> None:
        """Reserve space for the bytes that a download still has to write. Raises `DiskError` without space.

        Zero bytes are always granted, so that a complete partial can be published on a full disk.
        """
        disk = self._disk()
        available = self._available(disk, key)
        if remaining > available:
            self.release(key)
            needed, left = format_bytes_pair(remaining, available)
            raise DiskError(f"no space: {needed} needed, {left} may be written")
        self._reservations[key] = Reservation(disk, remaining)

    def available(self, key: Hashable = None) -> int:
        """Return the bytes that may be written beside the reservations of others. Raises `DiskError`."""
        return self._available(self._disk(), key)

    def _available(self, disk: int, key: Hashable) -> int:
        others = sum(p.size for other, p in self._reservations.items() if other != key and p.disk == disk)
        return max(0, self._free() - self.keep_free - others)

    def on_written(self, key: Hashable, size: int) -> None:
        """Reduce a reservation by bytes that are written now."""
        if key in self._reservations:
            reservation = self._reservations[key]
            self._reservations[key] = reservation._replace(size=max(0, reservation.size - size))

    def release(self, key: Hashable) -> None:
        """Release a reservation, if any."""
        self._reservations.pop(key, None)
