"""Which shifts this host holds now."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import structlog

from orderwatch.ports import Shifts
from orderwatch.service.cluster.own_lease import OwnLease
from orderwatch.service.wakeup import Wakeup

log = structlog.get_logger()


class Roster(Protocol):
    """The shifts of this host; `renewed` is triggered when they may have changed."""

    renewed: Wakeup

    def holds(self, shift: str) -> bool:
        """Return whether this host does the work of this shift."""
        ...

    def fence(self, shift: str) -> int | None:
        """Return the fence that writes under this shift carry, None without the shift."""
        ...

    async def renew(self) -> None:
        """Renew the leases, and take free shifts. Raises `DatabaseError`."""
        ...

    async def hand_over(self) -> None:
        """Give away what other hosts are to get; the work under these shifts has stopped."""
        ...


class SoleRoster:
    """The roster of the only host: it holds every shift."""

    def __init__(self) -> None:
        self.renewed = Wakeup()

    def holds(self, shift: str) -> bool:
        del shift
        return True

    def fence(self, shift: str) -> int | None:
        del shift
        return None

    async def renew(self) -> None:
        """Do nothing: there is no other host."""

    async def hand_over(self) -> None:
        """Do nothing: there is no other host."""


class SharedRoster:
    """The roster of one of several hosts; without a sound lease it holds nothing."""

    def __init__(
        self,
        shifts: Shifts,
        boot: str,
        lease: OwnLease,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self.renewed = Wakeup()
        self._shifts = shifts
        self._boot = boot
        self._lease = lease
        self._now = now
        self._held: Mapping[str, int] = {}
        self._give: Mapping[str, str | None] = {}

    def holds(self, shift: str) -> bool:
        return self.fence(shift) is not None and shift not in self._give

    def fence(self, shift: str) -> int | None:
        return self._held.get(shift) if self._lease.is_sound else None

    async def renew(self) -> None:
        before = self._held
        self._held, self._give = await self._shifts.renew(self._boot, self._lease.length, self._now())
        for shift in sorted(self._held.keys() - before.keys()):
            log.info("shift.taken", shift=shift)
        for shift in sorted(before.keys() - self._held.keys()):
            log.info("shift.lost", shift=shift)

    async def hand_over(self) -> None:
        if not self._give:
            return
        given, self._give = self._give, {}
        self._held = {shift: fence for shift, fence in self._held.items() if shift not in given}
        await self._shifts.give(self._boot, given, self._lease.length, self._now())
        for shift in sorted(given):
            log.info("shift.given", shift=shift)
