"""The time of day: the host's and the provider's, and the later one where they differ."""

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

import structlog

log = structlog.get_logger()

_TOLERATED = timedelta(seconds=60)
_FARTHEST = timedelta(days=36_500)  # a host may say 1970; a provider that says 9999 is not believed
_REMEMBERED = 5  # answers


class _Standing(Enum):
    """What is known of the host's clock; where it only differs the provider's may be the wrong one."""

    RIGHT = auto()
    DIFFERS = auto()
    WRONG = auto()


def utc_now() -> datetime:
    return datetime.now(UTC)


def steady() -> float:
    """Seconds that no setting of the clock moves, and that pass in a suspended machine too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """Neither a host nor a provider that is behind delays anything.

    Once both have agreed, our own time goes on from there by the steady clock, however the host is set.
    """

    def __init__(self, wall: Callable[[], datetime] = utc_now, steady: Callable[[], float] = steady) -> None:
        self._wall = wall
        self._steady = steady
        self._heard: deque[float] = deque(maxlen=_REMEMBERED)  # provider's time minus the steady clock's
        self._theirs: float | None = None  # the same, as several answers agree
        self._agreed: float | None = None  # the host's minus the steady clock's, when the two agreed last
        self._standing_logged = _Standing.RIGHT

    @property
    def confirmed(self) -> bool:
        """The provider's time is known, and is no earlier than ours: before, this host's may be years off."""
        return self._theirs is not None and self.now() - self._at(self._theirs) <= _TOLERATED

    def now(self) -> datetime:
        wall = self._wall()
        if self._theirs is None or abs(self.ahead()) <= _TOLERATED:
            return wall
        return max(self._at(self._theirs), wall if self._agreed is None else self._at(self._agreed))

    def ahead(self) -> timedelta:
        """How far the host's clock is before the provider's."""
        return timedelta(0) if self._theirs is None else self._wall() - self._at(self._theirs)

    def heard(self, date: datetime) -> None:
        """Take in the provider's time of day, as an answer has just shown it."""
        if abs(date - self._wall()) > _FARTHEST:
            return
        self._heard.append(date.timestamp() - self._steady())
        middle = statistics.median(self._heard)
        agreeing = sum(abs(theirs - middle) <= _TOLERATED.total_seconds() for theirs in self._heard)
        heard = len(self._heard)
        if agreeing >= (heard if heard < 3 else heard - 1):  # noqa: PLR2004 - one odd answer of several moves nothing
            self._theirs = middle
            if abs(self.ahead()) <= _TOLERATED:
                self._agreed = self._wall().timestamp() - self._steady()
            self._say()

    def _at(self, offset: float) -> datetime:
        return datetime.fromtimestamp(offset + self._steady(), UTC)

    def _say(self) -> None:
        standing = self._standing()
        if standing is self._standing_logged:
            return
        self._standing_logged = standing
        ahead = round(self.ahead().total_seconds())
        match standing:
            case _Standing.RIGHT:
                log.info("clock.right")
            case _Standing.WRONG:
                log.warning("clock.wrong", ahead_seconds=ahead)
            case _Standing.DIFFERS:
                log.warning("clock.differs", ahead_seconds=ahead)

    def _standing(self) -> _Standing:
        if abs(self.ahead()) <= _TOLERATED:
            return _Standing.RIGHT
        wall = self._wall()
        went_on = self._agreed is not None and abs(wall - self._at(self._agreed)) <= _TOLERATED
        counts = abs(wall - self.now()) <= _TOLERATED
        return _Standing.DIFFERS if went_on or counts else _Standing.WRONG


EVERY = 15.0  # seconds
_HEARTBEAT_TOLERATED = timedelta(seconds=2)
_ZERO = timedelta(0)


class ClockSteps:
    """How far a clock was set since it was last asked; small steps add up until they count."""

    def __init__(self, now: Callable[[], datetime], steady: Callable[[], float]) -> None:
        self._now = now
        self._steady = steady
        self._ahead = self._read()

    def taken(self) -> timedelta:
        """Forward or back, zero for less than two seconds. A suspended machine is no step."""
        ahead = self._read()
        by = ahead - self._ahead
        if abs(by) <= _HEARTBEAT_TOLERATED:
            return _ZERO
        self._ahead = ahead
        return by

    def _read(self) -> timedelta:
        return self._now() - datetime.fromtimestamp(0, UTC) - timedelta(seconds=self._steady())


class ClockWatch:
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
        self._hosts = ClockSteps(wall, steady)
        self._ours = ClockSteps(now, steady)
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
