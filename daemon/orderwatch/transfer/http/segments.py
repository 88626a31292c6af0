"""More connections for one large file, as long as each brings something."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from orderwatch.core.deliveries.byte_ranges import Ranges, Span
from orderwatch.errors import BusyHostError, DiskError, TransferError
from orderwatch.ports import UNLIMITED, Connections


class Segment:
    """Bytes that one connection fetches: `at` moves on as they come; `stop` may come nearer meanwhile.

    `stop` is None where nobody knows the file's length.
    """

    def __init__(self, at: int, stop: int | None) -> None:
        self.at = at
        self.stop = stop
        self.reach = stop  # its connection would bring so much

    @property
    def left(self) -> int | None:
        return None if self.stop is None else self.stop - self.at


class SegmentAllocator:
    """The missing bytes of a file of `size` bytes, None where that is not known."""

    def __init__(self, held: Ranges, size: int | None) -> None:
        self._live: list[Segment] = []
        self._free: list[Span] = [] if size is None else list(held.gaps(size))
        self._endless = [Segment(held.prefix, None)] if size is None else []

    def first(self) -> Segment | None:
        """The first gap that nobody fetches, whole."""
        if self._endless:
            return self._endless.pop()
        return self._begin(self._free.pop(0)) if self._free else None

    def last(self, piece: int) -> Segment | None:
        """About `piece` bytes from the end of the last gap, or of what another connection has before it."""
        if self._free:
            start, stop = self._free.pop()
            if stop - start >= 2 * piece:
                self._free.append((start, stop - piece))
                start = stop - piece
            return self._begin((start, stop))
        longest = max(self._live, key=lambda claim: claim.left or 0, default=None)
        if longest is None or longest.stop is None or (longest.left or 0) < 2 * piece:
            return None
        longest.stop -= piece
        return self._begin((longest.stop, longest.stop + piece))

    def release(self, claim: Segment) -> None:
        """Its connection has ended: what is left of it is a gap again."""
        if claim in self._live:
            self._live.remove(claim)
        for other in self._live:
            if claim.left and other.stop == claim.at and (other.reach or 0) >= claim.at + claim.left:
                other.stop, claim.stop = claim.stop, claim.at
        if claim.left:
            self._free = sorted([*self._free, (claim.at, claim.at + claim.left)])

    def _begin(self, span: Span) -> Segment:
        claim = Segment(*span)
        self._live.append(claim)
        return claim


_LARGEST = 64 * 2**20  # bytes asked for at once
_PIECES = 64  # of one file, as far as that is within the limits
_GAIN = 1.1  # connections that bring less are the last ones

Fetch = Callable[[Segment], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelOptions:
    """When a file is fetched over several connections.

    It has at least `large` bytes, each connection is asked for at least `piece` of them at once, and its gain
    is measured for `window` seconds.
    """

    connections: int
    large: int = 64_000_000
    piece: int = 8 * 2**20
    window: float = 0.5


ALONE = ParallelOptions(connections=1)


class ParallelDownload:
    """Helpers of the first connection. Each takes pieces from the end of the file until there is none left.

    There are no more of them than the host takes `connections`. What ends a helper (cut, slow, refused,
    offered other bytes) is no trouble of the file: its piece is a gap again, and nobody else is taken on. A
    failing disk ends the whole attempt, at the next `tend`.
    """

    def __init__(
        self,
        claims: SegmentAllocator,
        size: int,
        sharing: ParallelOptions,
        fetch: Fetch,
        *,
        connections: Connections = UNLIMITED,
        received: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        self._claims = claims
        self._most = sharing.connections if size >= sharing.large else 1
        self._piece = max(sharing.piece, min(size // _PIECES, _LARGEST))
        self._window = sharing.window
        self._fetch = fetch
        self._connections = connections
        self._received = received
        self._clock = clock
        self._helpers: set[asyncio.Task[None]] = set()
        self._fatal: Exception | None = None
        self._since, self._before, self._best = clock(), received(), 0.0

    def tend(self) -> None:
        """Meet what became of the helpers; take on as many again where the last ones were worth it."""
        if self._fatal is not None:
            raise self._fatal
        now = self._clock()
        if now - self._since < self._window or len(self._helpers) + 1 >= self._most:
            return
        rate = (self._received() - self._before) / (now - self._since)
        self._since, self._before = now, self._received()
        if rate < self._best * _GAIN:
            self._most = 0
            return
        self._best = rate
        for _ in range(min(len(self._helpers) + 1, self._most - len(self._helpers) - 1)):
            if not self._connections.more():
                return
            helper = asyncio.create_task(self._help(self._claims.last(self._piece)))
            self._helpers.add(helper)
            helper.add_done_callback(self._ended)

    async def left_over(self) -> Segment | None:
        """Wait until nobody fetches any more; returns what a helper that failed has left."""
        while self._helpers:
            await asyncio.wait(self._helpers)
        self.tend()
        return self._claims.first()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """However the work within ends, every helper ends, and what it has is handed over."""
        try:
            yield
        finally:
            self._most = 0
            for helper in self._helpers:
                helper.cancel()
            while self._helpers:
                await asyncio.wait(self._helpers)

    def _ended(self, helper: asyncio.Task[None]) -> None:
        self._helpers.discard(helper)
        self._connections.fewer()

    async def _help(self, claim: Segment | None) -> None:
        while claim is not None:
            try:
                await self._fetch(claim)
            except DiskError as error:
                self._fatal = error
                return
            except BusyHostError:
                self._connections.too_many()
                self._most = 0
                return
            except TransferError:
                self._most = 0
                return
            finally:
                self._claims.release(claim)
            claim = self._claims.last(self._piece)
