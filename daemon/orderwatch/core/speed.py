"""How fast a transfer goes, and what is left of it."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from orderwatch.core.model import Delivery
from orderwatch.core.sizes import amount
from orderwatch.core.spans import span

_SPAN = timedelta(seconds=10)  # over which a speed is measured
_STALE = timedelta(minutes=1)  # between two looks; a page without a script looks each half a minute
_LEAST = timedelta(milliseconds=100)  # below that a difference says nothing
_LONGEST = 365 * 86_400.0  # seconds: what a crawling transfer would take is beyond every calendar

_Samples = deque[tuple[datetime, int]]


class Going(NamedTuple):
    """A transfer at one look. `speed` is in bytes per second, None where it was seen only once."""

    delivery: Delivery
    speed: float | None

    @property
    def left(self) -> float | None:
        """Seconds."""
        if not self.speed or self.delivery.total is None:
            return None
        return min((self.delivery.total - self.delivery.durable) / self.speed, _LONGEST)

    @property
    def words(self) -> str:
        """What it does now: its speed and the time that is left, or what it waits for."""
        held = self.delivery
        if held.total is None:
            return "asking for a link"
        if held.durable == held.total:
            return "verifying"
        if self.left is None:
            return "" if self.speed is None else "0 B/s"
        return f"{amount(self.speed)}/s, {span(timedelta(seconds=round(self.left)))} left"


class Speeds:
    """Those of the transfers under way, from how far they were at each look."""

    def __init__(self) -> None:
        self._samples: dict[tuple[object, ...], _Samples] = {}

    def measured(self, running: Sequence[Delivery], now: datetime) -> list[Going]:
        """What does not run any more is forgotten."""
        former, self._samples = self._samples, {}
        found = []
        for delivery in running:
            samples = self._samples[delivery.key] = former.get(delivery.key, deque())
            found.append(Going(delivery, _speed(samples, delivery.durable, now)))
        return found


def _speed(samples: _Samples, held: int, now: datetime) -> float | None:
    if samples and (samples[-1][1] > held or not now - _STALE <= samples[-1][0] <= now):
        samples.clear()  # begun anew, not looked at for long, or a clock that was set
    samples.append((now, held))
    while len(samples) > 1 and samples[1][0] <= now - _SPAN:
        samples.popleft()
    began, had = samples[0]
    return (held - had) / (now - began).total_seconds() if now - began >= _LEAST else None
