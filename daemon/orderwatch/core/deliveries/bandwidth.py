"""How fast a transfer goes, and what is left of it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import combinations
from typing import NamedTuple

from orderwatch.core.formatting import format_bytes, format_duration
from orderwatch.core.model import Delivery

_SPAN = timedelta(seconds=10)  # over which a speed is measured
_STALE = timedelta(minutes=1)  # between two looks; a page without a script looks each half a minute
_LEAST = timedelta(milliseconds=100)  # below that a difference says nothing
_LONGEST = 365 * 86_400.0  # seconds: what a crawling transfer would take is beyond every calendar

_Samples = deque[tuple[datetime, int]]


class Progress(NamedTuple):
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
        return f"{format_bytes(self.speed)}/s, {format_duration(timedelta(seconds=round(self.left)))} left"


class SpeedMeter:
    """Those of the transfers under way, from how far they were at each look."""

    def __init__(self) -> None:
        self._samples: dict[tuple[object, ...], _Samples] = {}

    def measured(self, running: Sequence[Delivery], now: datetime) -> list[Progress]:
        """What does not run any more is forgotten."""
        former, self._samples = self._samples, {}
        found = []
        for delivery in running:
            samples = self._samples[delivery.key] = former.get(delivery.key, deque())
            found.append(Progress(delivery, _speed(samples, delivery.durable, now)))
        return found


def _speed(samples: _Samples, held: int, now: datetime) -> float | None:
    if samples and (samples[-1][1] > held or not now - _STALE <= samples[-1][0] <= now):
        samples.clear()  # begun anew, not looked at for long, or a clock that was set
    samples.append((now, held))
    while len(samples) > 1 and samples[1][0] <= now - _SPAN:
        samples.popleft()
    began, had = samples[0]
    return (held - had) / (now - began).total_seconds() if now - began >= _LEAST else None


@dataclass(frozen=True, slots=True)
class Span:
    """From a time of day up to another: over midnight where that is earlier, a day where it is the same."""

    start: time
    end: time
    limit: int  # bytes per second over all downloads; 0 is none

    def covers(self, at: time) -> bool:
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M} to {self.end:%H:%M}"


def limit_at(spans: Sequence[Span], at: time) -> int:
    """Bytes per second at this time of day; 0 where there is no limit, as outside of all spans."""
    return next((format_duration.limit for format_duration in spans if format_duration.covers(at)), 0)


def overlapping(spans: Sequence[Span]) -> list[tuple[Span, Span]]:
    """Pairs that share some time: then one begins within the other."""
    return [(a, b) for a, b in combinations(spans, 2) if a.covers(b.start) or b.covers(a.start)]
