"""Checks that a delivery tree is writable and has free space."""

from collections.abc import Awaitable, Callable, Mapping

from orderwatch.core.deliveries.delivery_root import SCHEME
from orderwatch.core.deliveries.disk_shortage import shortage
from orderwatch.core.formatting import format_bytes
from orderwatch.errors import BusyError, DiskError
from orderwatch.service.maintenance.checks.finding import CheckResult, NamedCheck

Parked = Callable[[], Awaitable[Mapping[str | None, int]]]


class TreeCheck(NamedCheck):
    """Checks that a tree is writable. `ready` may return a detail; it raises `DiskError`."""

    def __init__(self, root: str, ready: Callable[[], Awaitable[str | None]]) -> None:
        super().__init__(f"destination {root}")
        self._ready = ready
        self._remedy = (
            "check [s3], the bucket and the rights of docs/s3.md"
            if root.startswith(SCHEME)
            else "mount it, or make it writable for the daemon's user"
        )

    async def run(self) -> CheckResult:
        try:
            found = await self._ready()
        except DiskError as error:
            return self.bad(str(error), self._remedy)
        return self.found(found or "writable")


class SpaceCheck(NamedCheck):
    """Checks free space. `room` returns the usable bytes, `parked` those that a parked delivery needs."""

    kind = "space"

    def __init__(
        self, root: str, room: Callable[[], int], parked: Parked | None = None, key: str | None = None
    ) -> None:
        super().__init__(f"space in {root}")
        self.facts = {"root": root}
        self._room = room
        self._parked = parked
        self._key = key

    async def run(self) -> CheckResult | None:
        try:
            room, needed = self._room(), await self._needed()
        except (DiskError, BusyError):
            return None
        if short := shortage(room, needed):
            return self.bad(short, "free disk space, or lower keep_free in [delivery]")
        return self.found(f"{format_bytes(room)} may be written")

    async def _needed(self) -> int:
        parked = await self._parked() if self._parked else {}
        return parked.get(self._key, 0)
