"""The time of day: the host's, or the provider's where the host's is wrong."""

import statistics
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

log = structlog.get_logger()

_TOLERATED = timedelta(seconds=60)
_FARTHEST = timedelta(days=36_500)  # a host may say 1970; a provider that says 9999 is not believed
_REMEMBERED = 5  # answers


def utc_now() -> datetime:
    return datetime.now(UTC)


def steady() -> float:
    """Seconds that no setting of the clock moves, and that pass in a suspended machine too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """Between two answers the provider's time goes on by the steady clock."""

    def __init__(self, wall: Callable[[], datetime] = utc_now, steady: Callable[[], float] = steady) -> None:
        self._wall = wall
        self._steady = steady
        self._heard: deque[float] = deque(maxlen=_REMEMBERED)  # provider's time minus the steady clock's
        self._theirs: float | None = None  # the same, as several answers agree
        self._wrong = False

    @property
    def confirmed(self) -> bool:
        """The provider's time is known: before, this host's may be years off."""
        return self._theirs is not None

    def now(self) -> datetime:
        wall, ahead = self._wall(), self.ahead()
        return wall - ahead if abs(ahead) > _TOLERATED else wall

    def ahead(self) -> timedelta:
        """How far the host's clock is before the provider's."""
        if self._theirs is None:
            return timedelta(0)
        return self._wall() - datetime.fromtimestamp(self._theirs + self._steady(), UTC)

    def heard(self, date: datetime) -> None:
        """The provider's time of day, as an answer has just shown it."""
        if abs(date - self._wall()) > _FARTHEST:
            return
        self._heard.append(date.timestamp() - self._steady())
        middle = statistics.median(self._heard)
        agreeing = sum(abs(theirs - middle) <= _TOLERATED.total_seconds() for theirs in self._heard)
        heard = len(self._heard)
        if agreeing >= (heard if heard < 3 else heard - 1):  # noqa: PLR2004 - one odd answer of several moves nothing
            self._theirs = middle
            self._say()

    def _say(self) -> None:
        ahead = self.ahead()
        if (abs(ahead) > _TOLERATED) is self._wrong:
            return
        self._wrong = not self._wrong
        if self._wrong:
            log.warning("clock.wrong", ahead_seconds=round(ahead.total_seconds()))
        else:
            log.info("clock.right")
