"""A limit over all downloads together."""

from collections.abc import AsyncIterator, Callable

from aiolimiter import AsyncLimiter

_SLICES = 8  # a second: whoever is slowed still gets something often, and can make it durable


class RateLimit:
    """Lets so many bytes pass per second; 0 means no limit. One that is called may change at any time."""

    def __init__(self, limit: int | Callable[[], int]) -> None:
        self.limit = limit if callable(limit) else lambda: limit
        self._rate, self._slice = 0, 1
        self._limiter: AsyncLimiter | None = None

    async def slowed(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes, not faster than the limit."""
        async for chunk in chunks:
            passed = 0
            while passed < len(chunk):
                limiter = self._heed()
                part = chunk[passed : passed + self._slice] if limiter else chunk[passed:]
                if limiter:
                    await limiter.acquire(len(part))
                passed += len(part)
                yield part

    def _heed(self) -> AsyncLimiter | None:
        """The limiter at the limit as it is now."""
        rate = self.limit()
        if rate != self._rate:
            self._rate, self._slice = rate, max(1, rate // _SLICES)
            self._limiter = AsyncLimiter(max(self._slice, rate), 1) if rate else None
        return self._limiter
