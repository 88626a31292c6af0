"""Whether a delivery tree takes files, and whether there is room for them."""

from collections.abc import Awaitable, Callable, Mapping

from orderwatch.core.deliveries.disk_shortage import shortage
from orderwatch.core.formatting import format_bytes
from orderwatch.errors import BusyError, DiskError
from orderwatch.service.maintenance.checks.finding import Finding, Named

Parked = Callable[[], Awaitable[Mapping[str | None, int]]]


class Mounted(Named):
    """`ready` proves that the tree can be written, and may say what it found; it raises `DiskError`."""

    def __init__(self, root: str, ready: Callable[[], Awaitable[str | None]]) -> None:
        super().__init__(f"destination {root}")
        self._ready = ready

    async def run(self) -> Finding:
        try:
            found = await self._ready()
        except DiskError as error:
            return self.bad(str(error), "mount it, or make it writable for the daemon's user")
        return self.found(found or "takes files")


class Room(Named):
    """`room` are the bytes that may be written; `parked` says by root what its largest delivery lacks."""

    kind = "space"

    def __init__(
        self, root: str, room: Callable[[], int], parked: Parked | None = None, key: str | None = None
    ) -> None:
        super().__init__(f"space in {root}")
        self.facts = {"root": root}
        self._room = room
        self._parked = parked
        self._key = key

    async def run(self) -> Finding | None:
        try:
            room, needed = self._room(), await self._needed()
        except (DiskError, BusyError):
            return None
        if short := shortage(room, needed):
            return self.bad(short, "make room, or lower keep_free in [delivery]")
        return self.found(f"{format_bytes(room)} may be written")

    async def _needed(self) -> int:
        parked = await self._parked() if self._parked else {}
        return parked.get(self._key, 0)
