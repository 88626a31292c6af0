"""The time of day: of the host and of the provider, the later one if they differ."""

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

import structlog

log = structlog.get_logger()

_TOLERANCE = timedelta(seconds=60)
_MAX_DIFFERENCE = timedelta(days=36_500)  # a host may be at 1970, but a provider at 9999 is ignored
_MAX_SAMPLES = 5


class _HostClock(Enum):
    """The state of the host's clock; if it only DIFFERS, the provider's may be the wrong one."""

    RIGHT = auto()
    DIFFERS = auto()
    WRONG = auto()


def utc_now() -> datetime:
    """Return the host's time."""
    return datetime.now(UTC)


def steady() -> float:
    """Return seconds that no clock step changes, and that include suspended time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """The later of host time and provider time, so that a slow clock delays nothing.

    Once both have agreed, time continues from there with the steady clock, however the host's clock is set.
    """

    def __init__(self, wall: Callable[[], datetime] = utc_now, steady: Callable[[], float] = steady) -> None:
        self._wall = wall
        self._steady = steady
        self._samples: deque[float] = deque(maxlen=_MAX_SAMPLES)  # provider time minus steady clock
        self._provider_offset: float | None = None  # the same, confirmed by several responses
        self._agreed_offset: float | None = None  # host time minus steady clock, when both last agreed
        self._logged_state = _HostClock.RIGHT

    @property
    def confirmed(self) -> bool:
        """Whether the provider's time is known and not behind; before that, this host's may be years off."""
        return (
            self._provider_offset is not None and self.now() - self._at(self._provider_offset) <= _TOLERANCE
        )

    def now(self) -> datetime:
        """Return the time that orderwatch works with."""
        wall = self._wall()
        if self._provider_offset is None or abs(self.ahead()) <= _TOLERANCE:
            return wall
        return max(
            self._at(self._provider_offset),
            wall if self._agreed_offset is None else self._at(self._agreed_offset),
        )

    def ahead(self) -> timedelta:
        """Return how far the host's clock is ahead of the provider's."""
        return (
            timedelta(0) if self._provider_offset is None else self._wall() - self._at(self._provider_offset)
        )

    def on_date(self, date: datetime) -> None:
        """Take into account the provider's time of a response just received."""
        if abs(date - self._wall()) > _MAX_DIFFERENCE:
            return
        self._samples.append(date.timestamp() - self._steady())
        middle = statistics.median(self._samples)
        agreeing = sum(abs(sample - middle) <= _TOLERANCE.total_seconds() for sample in self._samples)
        count = len(self._samples)
        if agreeing >= (count if count < 3 else count - 1):  # noqa: PLR2004 - one outlier is tolerated
            self._provider_offset = middle
            if abs(self.ahead()) <= _TOLERANCE:
                self._agreed_offset = self._wall().timestamp() - self._steady()
            self._log_change()

    def _at(self, offset: float) -> datetime:
        return datetime.fromtimestamp(offset + self._steady(), UTC)

    def _log_change(self) -> None:
        state = self._state()
        if state is self._logged_state:
            return
        self._logged_state = state
        ahead = round(self.ahead().total_seconds())
        match state:
            case _HostClock.RIGHT:
                log.info("clock.right")
            case _HostClock.WRONG:
                log.warning("clock.wrong", ahead_seconds=ahead)
            case _HostClock.DIFFERS:
                log.warning("clock.differs", ahead_seconds=ahead)

    def _state(self) -> _HostClock:
        if abs(self.ahead()) <= _TOLERANCE:
            return _HostClock.RIGHT
        wall = self._wall()
        is_steady = (
            self._agreed_offset is not None and abs(wall - self._at(self._agreed_offset)) <= _TOLERANCE
        )
        is_used = abs(wall - self.now()) <= _TOLERANCE
        return _HostClock.DIFFERS if is_steady or is_used else _HostClock.WRONG


CHECK_INTERVAL_SECONDS = 15.0
_MIN_STEP = timedelta(seconds=2)
_ZERO = timedelta(0)


class ClockSteps:
    """Measures steps of a clock; small ones add up until they count."""

    def __init__(self, now: Callable[[], datetime], steady: Callable[[], float]) -> None:
        self._now = now
        self._steady = steady
        self._ahead = self._read()

    def take_step(self) -> timedelta:
        """Return the step since the last call, zero below two seconds. Suspension is not a step."""
        ahead = self._read()
        by = ahead - self._ahead
        if abs(by) <= _MIN_STEP:
            return _ZERO
        self._ahead = ahead
        return by

    def _read(self) -> timedelta:
        return self._now() - datetime.fromtimestamp(0, UTC) - timedelta(seconds=self._steady())


class ClockWatch:
    """Calls `on_tick` every 15 s, and logs steps of the host's clock.

    `on_host_step` is for users of the host's clock, `on_step` for users of `now`, which may follow the
    provider's clock and so not have stepped.
    """

    def __init__(
        self,
        *,
        on_tick: Callable[[], None],
        on_host_step: Callable[[], None],
        on_step: Callable[[timedelta], Awaitable[None]],
        now: Callable[[], datetime],
        wall: Callable[[], datetime] = utc_now,
        steady: Callable[[], float] = steady,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._on_tick = on_tick
        self._on_host_step = on_host_step
        self._on_step = on_step
        self._host_steps = ClockSteps(wall, steady)
        self._own_steps = ClockSteps(now, steady)
        self._sleep = sleep

    async def run(self) -> None:
        while True:
            await self._sleep(CHECK_INTERVAL_SECONDS)
            await self.check()

    async def check(self) -> None:
        """Check both clocks once, then tick."""
        if by := self._host_steps.take_step():
            log.warning("clock.stepped", by_seconds=round(by.total_seconds(), 1))
            self._on_host_step()
        if by := self._own_steps.take_step():
            await self._on_step(by)
        self._on_tick()
