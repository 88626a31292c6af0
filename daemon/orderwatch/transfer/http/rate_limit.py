"""Limits the bandwidth of all downloads together."""

from collections.abc import AsyncIterator, Callable

from aiolimiter import AsyncLimiter

_SLICES_PER_SECOND = 8  # so that slow downloads still receive bytes often and can make them durable


class RateLimit:
    """Bytes per second over all downloads; 0 means no limit. A callable is read again for every chunk."""

    def __init__(self, limit: int | Callable[[], int]) -> None:
        self.limit = limit if callable(limit) else lambda: limit
        self._rate, self._slice_bytes = 0, 1
        self._limiter: AsyncLimiter | None = None

    async def throttle(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the same bytes, no faster than the limit."""
        async for chunk in chunks:
            passed = 0
            while passed < len(chunk):
                limiter = self._current_limiter()
                part = chunk[passed : passed + self._slice_bytes] if limiter else chunk[passed:]
                if limiter:
                    await limiter.acquire(len(part))
                passed += len(part)
                yield part

    def _current_limiter(self) -> AsyncLimiter | None:
        """Return the limiter for the current limit, None if unlimited."""
        rate = self.limit()
        if rate != self._rate:
            self._rate, self._slice_bytes = rate, max(1, rate // _SLICES_PER_SECOND)
            self._limiter = AsyncLimiter(max(self._slice_bytes, rate), 1) if rate else None
        return self._limiter
