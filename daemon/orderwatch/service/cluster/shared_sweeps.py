"""The last good sweep of each account, on any host, for the heartbeat of the host that keeps it."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from orderwatch.errors import DatabaseError
from orderwatch.ports import Accounts
from orderwatch.service.notifications.heartbeat import Heartbeat

_MARK_INTERVAL_SECONDS = 15.0  # of an account: sweeps with nothing due come at every tick
_MAX_AGE = timedelta(minutes=1)  # besides the polling interval: an older sweep is no sign of life


class SharedSweeps:
    """`accounts_of` returns the rows as the poller of an account may write them."""

    def __init__(
        self,
        accounts_of: Callable[[str], Accounts],
        *,
        now: Callable[[], datetime],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accounts_of = accounts_of
        self._now = now
        self._steady = steady
        self._marked: dict[str, float] = {}
        self._fed: dict[str, datetime] = {}

    async def mark(self, account: str) -> None:
        """Record a good sweep, every few seconds at most. Raises `DatabaseError` or `LostShiftError`."""
        if self._steady() - self._marked.get(account, -_MARK_INTERVAL_SECONDS) >= _MARK_INTERVAL_SECONDS:
            self._marked[account] = self._steady()
            await self._accounts_of(account).mark_swept(account, self._now())

    async def feed(self, heartbeat: Heartbeat | None, accounts: Accounts, interval: timedelta) -> None:
        """Report new good sweeps of all hosts to the heartbeat."""
        if heartbeat is None:
            return
        try:
            states = await accounts.states()
        except DatabaseError:
            return
        for name, state in states.items():
            at = state.swept_at
            if at is not None and at != self._fed.get(name) and self._now() - at < interval + _MAX_AGE:
                self._fed[name] = at
                heartbeat.on_sweep(name, good=True)
