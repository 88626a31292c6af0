"""Shares one answer among equal requests, since all viewers reload after a change."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from orderwatch.web.server.etag import Packed

_MAX_AGE_SECONDS = 2.0
_MIN_INTERVAL_SECONDS = 1.0  # between two answers for one address
_MAX_ADDRESSES = 16

Make = Callable[[], Awaitable[Packed]]


@dataclass(slots=True)
class _Kept:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    answer: Packed | None = None
    newest: int | None = None
    began: float = 0.0


class ResponseCache:
    """Keeps the last answers; `newest` is the number of the last change sent to viewers, None without any.

    An answer is never older than that change, nor than two seconds. If changes follow fast, a request waits
    for the minimum interval. Without viewers, an answer is only for requests from before it was begun.
    """

    def __init__(self, newest: Callable[[], int | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._newest = newest
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    async def answer(self, address: str, make: Make, apart: float | None = None) -> Packed:
        """Returns the answer; `apart` is the minimum interval in seconds for an expensive one."""
        arrived = self._clock()
        kept = self._kept[address] = self._kept.pop(address, _Kept())  # now the last to be dropped
        if len(self._kept) > _MAX_ADDRESSES:
            del self._kept[next(iter(self._kept))]
        async with kept.turn:
            if kept.answer is not None and self._is_fresh(kept, arrived):
                return kept.answer
            if kept.answer is not None and self._newest() is not None:
                pause = _MIN_INTERVAL_SECONDS if apart is None else apart
                await asyncio.sleep(kept.began + pause - self._clock())
            kept.answer, kept.began, kept.newest = None, self._clock(), self._newest()
            kept.answer = await make()
            return kept.answer

    def _is_fresh(self, kept: _Kept, arrived: float) -> bool:
        unchanged = self._newest() is not None and kept.newest == self._newest()
        young = self._clock() < kept.began + _MAX_AGE_SECONDS
        return kept.began >= arrived or (unchanged and young)
