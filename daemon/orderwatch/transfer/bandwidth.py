"""A limit over all downloads together."""

from aiolimiter import AsyncLimiter


class Bandwidth:
    """Lets so many bytes pass per second; 0 means no limit."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._limiter = AsyncLimiter(rate, 1) if rate else None

    async def take(self, count: int) -> None:
        """Wait until `count` bytes may pass."""
        while self._limiter is not None and count > 0:
            share = min(count, self._rate)
            await self._limiter.acquire(share)
            count -= share
