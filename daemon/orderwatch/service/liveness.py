"""Who of the crew makes progress: each beats as it does, and is late where it has not for too long."""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Self

PATIENCE = 600.0  # seconds: no single request, with its tries, takes as long
_QUEUE = 20  # requests that may stand before it, each with its try
_EVERY = 1.0  # seconds between two looks at the loop
_PUNCTUAL = 5.0  # seconds that the loop may be behind
_SLOWEST_DISK = 1_000_000  # bytes per second: a disk that reads so slowly still works


def liveness_limit(requests_per_second: float) -> float:
    """Seconds that whoever asks the provider may be silent, at this pace."""
    return PATIENCE + _QUEUE / requests_per_second


class Liveness:
    """The members that are at work. The clock stands still while the machine is suspended."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._members: set[Worker] = set()

    def worker(self, name: str, within: float = PATIENCE) -> "Worker":
        """One that must beat every so many seconds, while it is entered."""
        return Worker(name, within, self._clock, self._members)

    def late(self) -> list[str]:
        """Why not all is well, in words; empty where everybody makes progress."""
        now = self._clock()
        return sorted(
            f"{worker.name}: no progress since {now - worker.beaten_at:.0f} s"
            for worker in self._members
            if now > worker.until
        )


class Worker:
    """Counts from when it is entered until it is left. Any thread may beat."""

    def __init__(self, name: str, within: float, clock: Callable[[], float], members: set["Worker"]) -> None:
        self.name = name
        self._within = within
        self._clock = clock
        self._members = members
        self.progress()

    def __enter__(self) -> Self:
        self.progress()
        self._members.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._members.discard(self)

    def progress(self) -> None:
        """There is progress."""
        self.beaten_at = self._clock()
        self.until = self.beaten_at + self._within

    def reading(self, size: int) -> None:
        """There is, and now so many bytes are worked through, which may be silent."""
        self.progress()
        self.until += size / _SLOWEST_DISK

    def idle(self) -> None:
        """Until the next beat there is nothing to do but to wait for others, who are judged themselves."""
        self.progress()
        self.until = math.inf


def unsupervised() -> Worker:
    """A member that nobody judges."""
    return Liveness().worker("nobody")


class LoopLag:
    """How far the event loop is behind; `run` looks every second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._worst = 0.0
        self._looked_at = clock()
        self.lag = 0.0  # seconds, when it was looked at last

    async def run(self) -> None:
        self._looked_at = self._clock()
        while True:
            await asyncio.sleep(_EVERY)
            self.look()

    def look(self) -> None:
        """As it is each second, by the loop's own clock."""
        now = self._clock()
        self.lag = max(0.0, now - self._looked_at - _EVERY)
        self._looked_at = now
        self._worst = max(self._worst, self.lag)

    def worst(self) -> float:
        """The longest lag in seconds since this was asked last, one that lasts now included."""
        worst, self._worst = max(self._worst, self._behind()), 0.0
        return worst

    def late(self) -> list[str]:
        """Why the loop is not punctual, in words."""
        behind = max(self.lag, self._behind())
        return [f"event loop: {behind:.1f} s behind"] if behind > _PUNCTUAL else []

    def _behind(self) -> float:
        return max(0.0, self._clock() - self._looked_at - _EVERY)


def why_unhealthy(liveness: Liveness, loop: LoopLag) -> list[str]:
    """Why the service manager should not be told that all is well; empty where it should."""
    return [*loop.late(), *liveness.late()]
