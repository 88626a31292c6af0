"""Liveness of the workers: each reports progress, and is late if it has not for too long."""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Self

MAX_SILENCE_SECONDS = 600.0  # longer than any request with its retries
_MAX_QUEUED_REQUESTS = 20
_LOOP_CHECK_SECONDS = 1.0
_MAX_LOOP_LAG_SECONDS = 5.0
_MIN_DISK_BYTES_PER_SECOND = 1_000_000  # a slower disk counts as hanging


def liveness_limit(requests_per_second: float) -> float:
    """Return the seconds that a worker may be silent at this rate of requests."""
    return MAX_SILENCE_SECONDS + _MAX_QUEUED_REQUESTS / requests_per_second


class Liveness:
    """The active workers. `clock` excludes suspended time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._workers: set[Worker] = set()

    def worker(self, name: str, limit: float = MAX_SILENCE_SECONDS) -> "Worker":
        """Create a worker that has to report progress at least every `limit` seconds while it is entered."""
        return Worker(name, limit, self._clock, self._workers)

    def late(self) -> list[str]:
        """Return a text for each worker without progress."""
        now = self._clock()
        return sorted(
            f"{worker.name}: no progress since {now - worker.progress_at:.0f} s"
            for worker in self._workers
            if now > worker.until
        )


class Worker:
    """A worker, supervised while it is entered. Any thread may report progress."""

    def __init__(self, name: str, limit: float, clock: Callable[[], float], workers: set["Worker"]) -> None:
        self.name = name
        self._limit = limit
        self._clock = clock
        self._workers = workers
        self.progress()

    def __enter__(self) -> Self:
        self.progress()
        self._workers.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.discard(self)

    def progress(self) -> None:
        """Report progress."""
        self.progress_at = self._clock()
        self.until = self.progress_at + self._limit

    def expect_bytes(self, size: int) -> None:
        """Report progress, and allow silent work on `size` bytes from disk."""
        self.progress()
        self.until += size / _MIN_DISK_BYTES_PER_SECOND

    def idle(self) -> None:
        """Report that the worker waits for others, without a limit until the next progress."""
        self.progress()
        self.until = math.inf


def unsupervised() -> Worker:
    """Create a worker that nothing supervises."""
    return Liveness().worker("unsupervised")


class LoopLag:
    """Measures how far the event loop is behind."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._worst = 0.0
        self._measured_at = clock()
        self.lag = 0.0  # seconds, at the last measurement

    async def run(self) -> None:
        self._measured_at = self._clock()
        while True:
            await asyncio.sleep(_LOOP_CHECK_SECONDS)
            self.measure()

    def measure(self) -> None:
        """Measure once; called every second."""
        now = self._clock()
        self.lag = max(0.0, now - self._measured_at - _LOOP_CHECK_SECONDS)
        self._measured_at = now
        self._worst = max(self._worst, self.lag)

    def take_worst(self) -> float:
        """Return the longest lag in seconds since the last call, including the current one."""
        worst, self._worst = max(self._worst, self._behind()), 0.0
        return worst

    def late(self) -> list[str]:
        """Return a text if the loop is too far behind."""
        behind = max(self.lag, self._behind())
        return [f"event loop: {behind:.1f} s behind"] if behind > _MAX_LOOP_LAG_SECONDS else []

    def _behind(self) -> float:
        return max(0.0, self._clock() - self._measured_at - _LOOP_CHECK_SECONDS)


def why_unhealthy(liveness: Liveness, loop: LoopLag) -> list[str]:
    """Return why the service manager must not be notified; empty if all is well."""
    return [*loop.late(), *liveness.late()]
