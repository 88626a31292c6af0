"""Beside the scheduler, which sleeps through a clock that is set back: looks at everything at once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog

from orderwatch.service.clock import steady, utc_now

log = structlog.get_logger()

EVERY = 15.0  # seconds
_TOLERATED = timedelta(seconds=2)
_ZERO = timedelta(0)


class Steps:
    """How far a clock was set since it was last asked; small steps add up until they count."""

    def __init__(self, now: Callable[[], datetime], steady: Callable[[], float]) -> None:
        self._now = now
        self._steady = steady
        self._ahead = self._read()

    def taken(self) -> timedelta:
        """Forward or back, zero for less than two seconds. A suspended machine is no step."""
        ahead = self._read()
        by = ahead - self._ahead
        if abs(by) <= _TOLERATED:
            return _ZERO
        self._ahead = ahead
        return by

    def _read(self) -> timedelta:
        return self._now() - datetime.fromtimestamp(0, UTC) - timedelta(seconds=self._steady())


class Heartbeat:
    """Rings every 15 s; where the host's clock was set it says so.

    `rebase` is for what goes by the host's clock, `stepped` for what goes by ours (`now`), which may be the
    provider's and so not have moved.
    """

    def __init__(
        self,
        *,
        ring: Callable[[], None],
        rebase: Callable[[], None],
        stepped: Callable[[timedelta], Awaitable[None]],
        now: Callable[[], datetime],
        wall: Callable[[], datetime] = utc_now,
        steady: Callable[[], float] = steady,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._ring = ring
        self._rebase = rebase
        self._stepped = stepped
        self._hosts = Steps(wall, steady)
        self._ours = Steps(now, steady)
        self._sleep = sleep

    async def run(self) -> None:
        while True:
            await self._sleep(EVERY)
            await self.beat()

    async def beat(self) -> None:
        if by := self._hosts.taken():
            log.warning("clock.stepped", by_seconds=round(by.total_seconds(), 1))
            self._rebase()
        if by := self._ours.taken():
            await self._stepped(by)
        self._ring()
