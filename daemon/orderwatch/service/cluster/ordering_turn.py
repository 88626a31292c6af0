"""The turn to place orders: of all processes on all hosts one at a time sends orders."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import uuid4

from orderwatch.core.cluster.shifts import ORDERING
from orderwatch.errors import DatabaseError, LockedError, UnavailableError
from orderwatch.ports import Shifts
from orderwatch.service.clock import steady as boot_time
from orderwatch.service.cluster.own_lease import OwnLease

_RENEWALS_PER_LEASE = 4


class OrderingTurn:
    """The turn of one process; `fence` is None while it does not hold it."""

    def __init__(
        self,
        shifts: Shifts,
        lease: timedelta,
        *,
        now: Callable[[], datetime],
        steady: Callable[[], float] = boot_time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.fence: int | None = None
        self._shifts = shifts
        self._lease = OwnLease(lease, steady)
        self._now = now
        self._sleep = sleep

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Hold the turn; `LockedError` if another process holds it. A killed holder's ends with its lease."""
        owner, began_at = uuid4().hex, self._lease.steady()
        fence = await self._shifts.claim(ORDERING, owner, self._lease.length, self._now())
        if fence is None:
            raise LockedError("another process is placing orders; try again")
        self._lease.renew(began_at)
        renewing = asyncio.create_task(self._renew(owner))
        self.fence = fence
        try:
            yield
        finally:
            self.fence = None
            renewing.cancel()
            with suppress(DatabaseError):  # its lease ends by itself
                await self._shifts.release(ORDERING, owner)

    def require(self) -> None:
        """Raise `UnavailableError` if another process may have the turn, as after a pause of a lease."""
        if self.fence is None or not self._lease.is_sound:
            raise UnavailableError("another process may have the turn to order", reached=False)

    async def _renew(self, owner: str) -> None:
        """Keep the lease; what is written after a lost one is refused by its fence."""
        while True:
            await self._sleep(self._lease.length.total_seconds() / _RENEWALS_PER_LEASE)
            began_at = self._lease.steady()
            with suppress(DatabaseError):
                if await self._shifts.extend(ORDERING, owner, self._lease.length, self._now()):
                    self._lease.renew(began_at)
