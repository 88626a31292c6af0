"""The speed and progress of downloads, and bandwidth limits by time of day."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import combinations
from typing import NamedTuple

from orderwatch.core.formatting import format_bytes, format_duration
from orderwatch.core.model import Delivery

_SPEED_WINDOW = timedelta(seconds=10)
_MAX_SAMPLE_AGE = timedelta(minutes=1)  # a page without JavaScript is reloaded every 30 seconds
_MIN_SPEED_WINDOW = timedelta(milliseconds=100)
MAX_SECONDS_LEFT = 365 * 86_400.0

_Samples = deque[tuple[datetime, int]]


class Progress(NamedTuple):
    """The progress of a download; `speed` is in bytes per second, None after a single sample."""

    delivery: Delivery
    speed: float | None

    @property
    def left(self) -> float | None:
        """The seconds left, None if they are unknown."""
        if not self.speed or self.delivery.total is None:
            return None
        return min((self.delivery.total - self.delivery.durable) / self.speed, MAX_SECONDS_LEFT)

    @property
    def words(self) -> str:
        """The speed and time left in words, or the current step."""
        held = self.delivery
        if held.total is None:
            return "requesting a link"
        if held.durable == held.total:
            return "verifying"
        if self.left is None:
            return "" if self.speed is None else "0 B/s"
        return f"{format_bytes(self.speed)}/s, {format_duration(timedelta(seconds=round(self.left)))} left"


def total_speed(transfers: Iterable[Progress]) -> float | None:
    """Returns the sum of the speeds, None if none is known."""
    known = [transfer.speed for transfer in transfers if transfer.speed is not None]
    return sum(known) if known else None


class SpeedMeter:
    """Measures the speeds of downloads by their progress between calls."""

    def __init__(self) -> None:
        self._samples: dict[tuple[object, ...], _Samples] = {}

    def measured(self, running: Sequence[Delivery], now: datetime) -> list[Progress]:
        """Returns the progress of the running downloads, and drops the samples of others."""
        former, self._samples = self._samples, {}
        found = []
        for delivery in running:
            samples = self._samples[delivery.key] = former.get(delivery.key, deque())
            found.append(Progress(delivery, _speed(samples, delivery.durable, now)))
        return found


def _speed(samples: _Samples, held: int, now: datetime) -> float | None:
    if samples and (samples[-1][1] > held or not now - _MAX_SAMPLE_AGE <= samples[-1][0] <= now):
        samples.clear()  # restarted, not sampled for long, or a clock step
    samples.append((now, held))
    while len(samples) > 1 and samples[1][0] <= now - _SPEED_WINDOW:
        samples.popleft()
    began, had = samples[0]
    return (held - had) / (now - began).total_seconds() if now - began >= _MIN_SPEED_WINDOW else None


@dataclass(frozen=True, slots=True)
class Span:
    """A period of the day with a limit: over midnight if it ends earlier, a whole day if both are equal."""

    start: time
    end: time
    limit: int  # bytes per second over all downloads; 0 for no limit

    def covers(self, at: time) -> bool:
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M} to {self.end:%H:%M}"


def limit_at(spans: Sequence[Span], at: time) -> int:
    """Returns the limit in bytes per second at this time of day, 0 for none."""
    return next((span.limit for span in spans if span.covers(at)), 0)


class Allowance(NamedTuple):
    """The limit in bytes per second, 0 for none; if it changes, `until` when, and what it is `then`."""

    limit: int
    until: datetime | None = None
    then: int = 0

    @property
    def words(self) -> str:
        """The limit for display."""
        return _limit_words(self.limit)

    @property
    def next_words(self) -> str:
        """The limit after that for display."""
        return _limit_words(self.then)


def _limit_words(limit: int) -> str:
    return f"{format_bytes(limit)}/s" if limit else "no limit"


def allowance_at(spans: Sequence[Span], now: datetime) -> Allowance:
    """Returns the limit at this local time, which has no zone, and the next change within a day."""
    limit = limit_at(spans, now.time())
    edges = {edge for span in spans for edge in (span.start, span.end)}
    for edge in sorted(edges, key=lambda edge: (edge <= now.time(), edge)):
        if (then := limit_at(spans, edge)) != limit:
            day = now.date() + timedelta(days=edge <= now.time())
            return Allowance(limit, datetime.combine(day, edge), then)
    return Allowance(limit)


def overlapping(spans: Sequence[Span]) -> list[tuple[Span, Span]]:
    """Returns the pairs of periods that overlap."""
    return [(a, b) for a, b in combinations(spans, 2) if a.covers(b.start) or b.covers(a.start)]
