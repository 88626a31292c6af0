"""How fast downloads may be, by the time of day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from itertools import combinations


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
    return next((span.limit for span in spans if span.covers(at)), 0)


def overlapping(spans: Sequence[Span]) -> list[tuple[Span, Span]]:
    """Pairs that share some time: then one begins within the other."""
    return [(a, b) for a, b in combinations(spans, 2) if a.covers(b.start) or b.covers(a.start)]
