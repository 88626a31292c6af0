"""Limits the bandwidth of all downloads together."""

import threading
import time
from collections.abc import Callable, Iterator

_SLICES_PER_SECOND = 8  # so that slow downloads still receive bytes often and can make them durable


class RateLimit:
    """Bytes per second over all downloads, whatever threads they use; 0 means no limit.

    A callable is read again for every slice of an eighth of a second.
    """

    def __init__(
        self, limit: int | Callable[[], int], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit = limit if callable(limit) else lambda: limit
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._read_at, self._rate = -1.0, 0

    @property
    def is_limited(self) -> bool:
        """Whether bytes have to pass `throttle` now."""
        return self._current_rate() > 0

    def throttle(self, chunk: bytes, wait: Callable[[float], object]) -> Iterator[bytes]:
        """Yield the same bytes, no faster than the limit; `wait` sleeps for so many seconds."""
        passed = 0
        while passed < len(chunk):
            rate = self._current_rate()
            part = chunk[passed : passed + max(1, rate // _SLICES_PER_SECOND)] if rate else chunk[passed:]
            if rate:
                wait(self._book(len(part), rate))
            passed += len(part)
            yield part

    def _current_rate(self) -> int:
        now = self._clock()
        if now - self._read_at >= 1 / _SLICES_PER_SECOND or self._read_at < 0:
            self._read_at, self._rate = now, self.limit()
        return self._rate

    def _book(self, size: int, rate: int) -> float:
        """Return after how many seconds these bytes have passed, behind those of all others."""
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now) + size / rate
            return self._free_at - now
