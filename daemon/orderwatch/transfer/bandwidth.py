"""A limit over all downloads together."""

from collections.abc import AsyncIterator

from aiolimiter import AsyncLimiter

_SLICES = 8  # a second: whoever is slowed still gets something often, and can make it durable


class Bandwidth:
    """Lets so many bytes pass per second; 0 means no limit."""

    def __init__(self, rate: int) -> None:
        self._slice = max(1, rate // _SLICES)
        self._limiter = AsyncLimiter(max(self._slice, rate), 1) if rate else None

    async def slowed(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes, not faster than the limit."""
        async for chunk in chunks:
            if self._limiter is None:
                yield chunk
                continue
            for start in range(0, len(chunk), self._slice):
                part = chunk[start : start + self._slice]
                await self._limiter.acquire(len(part))
                yield part
