"""Downloads one large file over several connections, as long as each adds speed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from orderwatch.core.deliveries.byte_ranges import Ranges, Span
from orderwatch.errors import BusyHostError, DiskError, TransferError
from orderwatch.ports import UNLIMITED, Connections


class Segment:
    """Bytes that one connection downloads: `at` advances; `stop` may be lowered when another takes the rest.

    `stop` is None if the size of the file is unknown.
    """

    def __init__(self, at: int, stop: int | None) -> None:
        self.at = at
        self.stop = stop
        self.requested_stop = stop  # its connection would receive bytes up to here

    @property
    def left(self) -> int | None:
        """The bytes that are missing, None if unknown."""
        return None if self.stop is None else self.stop - self.at


class SegmentAllocator:
    """Divides the missing bytes of a file of `size` bytes (None if unknown) into segments."""

    def __init__(self, held: Ranges, size: int | None) -> None:
        self._active: list[Segment] = []
        self._gaps: list[Span] = [] if size is None else list(held.gaps(size))
        self._unbounded = [Segment(held.prefix, None)] if size is None else []

    def take_first(self) -> Segment | None:
        """Return the first gap that no connection downloads, whole."""
        if self._unbounded:
            return self._unbounded.pop()
        return self._begin(self._gaps.pop(0)) if self._gaps else None

    def take_last(self, segment_bytes: int) -> Segment | None:
        """Return about `segment_bytes` from the end of the last gap, or of the longest active segment."""
        if self._gaps:
            start, stop = self._gaps.pop()
            if stop - start >= 2 * segment_bytes:
                self._gaps.append((start, stop - segment_bytes))
                start = stop - segment_bytes
            return self._begin((start, stop))
        longest = max(self._active, key=lambda segment: segment.left or 0, default=None)
        if longest is None or longest.stop is None or (longest.left or 0) < 2 * segment_bytes:
            return None
        longest.stop -= segment_bytes
        return self._begin((longest.stop, longest.stop + segment_bytes))

    def release(self, segment: Segment) -> None:
        """Turn what is left of the segment into a gap again, after its connection ended."""
        if segment in self._active:
            self._active.remove(segment)
        for other in self._active:
            if (
                segment.left
                and other.stop == segment.at
                and (other.requested_stop or 0) >= segment.at + segment.left
            ):
                other.stop, segment.stop = segment.stop, segment.at
        if segment.left:
            self._gaps = sorted([*self._gaps, (segment.at, segment.at + segment.left)])

    def _begin(self, span: Span) -> Segment:
        segment = Segment(*span)
        self._active.append(segment)
        return segment


_MAX_REQUEST_BYTES = 64 * 2**20
_SEGMENTS_PER_FILE = 64  # if that is within the limits of a request's size
_MIN_GAIN = 1.1  # no further connection is opened if the last ones added less speed

Fetch = Callable[[Segment], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelOptions:
    """When and how a file is downloaded over several connections.

    Files of at least `min_file_bytes` are split into requests of at least `segment_bytes`; the gain of more
    connections is measured over `window_seconds`.
    """

    connections: int
    min_file_bytes: int = 64_000_000
    segment_bytes: int = 8 * 2**20
    window_seconds: float = 0.5


SINGLE_CONNECTION = ParallelOptions(connections=1)


class ParallelDownload:
    """Helper connections beside the first. Each downloads segments from the end of the file.

    `connections` limits them to what the host accepts. A helper that fails (interrupted, slow, refused, other
    bytes) does not fail the file: its segment becomes a gap again, and no further helper starts. A disk error
    ends the whole attempt at the next `adjust`.
    """

    def __init__(
        self,
        segments: SegmentAllocator,
        size: int,
        options: ParallelOptions,
        fetch: Fetch,
        *,
        connections: Connections = UNLIMITED,
        received: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        self._segments = segments
        self._max_connections = options.connections if size >= options.min_file_bytes else 1
        self._segment_bytes = max(options.segment_bytes, min(size // _SEGMENTS_PER_FILE, _MAX_REQUEST_BYTES))
        self._window = options.window_seconds
        self._fetch = fetch
        self._connections = connections
        self._received = received
        self._clock = clock
        self._helpers: set[asyncio.Task[None]] = set()
        self._fatal: Exception | None = None
        self._since, self._before, self._best = clock(), received(), 0.0

    def adjust(self) -> None:
        """Raise a helper's disk error; double the connections if the last ones added speed."""
        if self._fatal is not None:
            raise self._fatal
        now = self._clock()
        if now - self._since < self._window or len(self._helpers) + 1 >= self._max_connections:
            return
        rate = (self._received() - self._before) / (now - self._since)
        self._since, self._before = now, self._received()
        if rate < self._best * _MIN_GAIN:
            self._max_connections = 0
            return
        self._best = rate
        for _ in range(min(len(self._helpers) + 1, self._max_connections - len(self._helpers) - 1)):
            if not self._connections.acquire():
                return
            helper = asyncio.create_task(self._help(self._segments.take_last(self._segment_bytes)))
            self._helpers.add(helper)
            helper.add_done_callback(self._on_helper_done)

    async def wait_for_helpers(self) -> Segment | None:
        """Wait for all helpers to end; returns a segment that a failed helper has left."""
        while self._helpers:
            await asyncio.wait(self._helpers)
        self.adjust()
        return self._segments.take_first()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Stop every helper when the body ends; each hands over the bytes it has."""
        try:
            yield
        finally:
            self._max_connections = 0
            for helper in self._helpers:
                helper.cancel()
            while self._helpers:
                await asyncio.wait(self._helpers)

    def _on_helper_done(self, helper: asyncio.Task[None]) -> None:
        self._helpers.discard(helper)
        self._connections.release()

    async def _help(self, segment: Segment | None) -> None:
        while segment is not None:
            try:
                await self._fetch(segment)
            except DiskError as error:
                self._fatal = error
                return
            except BusyHostError:
                self._connections.on_refused()
                self._max_connections = 0
                return
            except TransferError:
                self._max_connections = 0
                return
            finally:
                self._segments.release(segment)
            segment = self._segments.take_last(self._segment_bytes)
