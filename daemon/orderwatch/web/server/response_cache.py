"""One answer for all who ask the same: viewers that hear of a move ask together."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from orderwatch.web.server.etag import Packed

_LASTING = 2.0  # seconds: what does not move grows old too
_APART = 1.0  # seconds from one making to the next of the same
_MOST = 16  # addresses that are kept

Make = Callable[[], Awaitable[Packed]]


@dataclass(slots=True)
class _Kept:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    answer: Packed | None = None
    newest: int | None = None
    began: float = 0.0


class ResponseCache:
    """`newest` is the number of the last move that viewers were told, None while none are.

    An answer is never older than that move, nor than two seconds. Where moves follow each other fast, who
    asks waits until the last one was begun a little ago. While nobody is told, an answer is for those alone
    who asked before it was begun.
    """

    def __init__(self, newest: Callable[[], int | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._newest = newest
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    async def answer(self, address: str, make: Make, apart: float | None = None) -> Packed:
        """`apart` is in seconds, for what is dearer to make than a page."""
        arrived = self._clock()
        kept = self._kept[address] = self._kept.pop(address, _Kept())  # now the last to be forgotten
        if len(self._kept) > _MOST:
            del self._kept[next(iter(self._kept))]
        async with kept.turn:
            if kept.answer is not None and self._holds(kept, arrived):
                return kept.answer
            if kept.answer is not None and self._newest() is not None:
                pause = _APART if apart is None else apart
                await asyncio.sleep(kept.began + pause - self._clock())
            kept.answer, kept.began, kept.newest = None, self._clock(), self._newest()
            kept.answer = await make()
            return kept.answer

    def _holds(self, kept: _Kept, arrived: float) -> bool:
        unmoved = self._newest() is not None and kept.newest == self._newest()
        young = self._clock() < kept.began + _LASTING
        return kept.began >= arrived or (unmoved and young)
