"""The turn to place orders: of all processes on all hosts one at a time sends orders."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import uuid4

from orderwatch.core.cluster.shifts import ORDERING
from orderwatch.errors import DatabaseError, LockedError
from orderwatch.ports import Shifts

_RENEWALS_PER_LEASE = 4


class OrderingTurn:
    """The turn of one process; `fence` is None while it does not hold it."""

    def __init__(
        self,
        shifts: Shifts,
        lease: timedelta,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.fence: int | None = None
        self._shifts = shifts
        self._lease = lease
        self._now = now
        self._sleep = sleep

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Hold the turn; `LockedError` if another process holds it. A killed holder's ends with its lease."""
        owner = uuid4().hex
        fence = await self._shifts.claim(ORDERING, owner, self._lease, self._now())
        if fence is None:
            raise LockedError("another process is placing orders; try again")
        renewing = asyncio.create_task(self._renew(owner))
        self.fence = fence
        try:
            yield
        finally:
            self.fence = None
            renewing.cancel()
            with suppress(DatabaseError):  # its lease ends by itself
                await self._shifts.release(ORDERING, owner)

    async def _renew(self, owner: str) -> None:
        """Keep the lease; what is written after a lost one is refused by its fence."""
        while True:
            await self._sleep(self._lease.total_seconds() / _RENEWALS_PER_LEASE)
            with suppress(DatabaseError):
                await self._shifts.extend(ORDERING, owner, self._lease, self._now())
