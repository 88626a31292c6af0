"""Downloads one large file over several connections, as long as each adds speed."""

import asyncio
from collections.abc import Awaitable, Callable

from orderwatch.errors import BusyHostError, DiskError, TransferError
from orderwatch.ports import UNLIMITED, Connections
from orderwatch.transfer.http.options import ParallelOptions
from orderwatch.transfer.http.response import FileChangedError
from orderwatch.transfer.http.segments import Segment, SegmentAllocator

_MAX_REQUEST_BYTES = 64 * 2**20
_SEGMENTS_PER_FILE = 64  # if that is within the limits of a request's size
_MIN_SEGMENT_SECONDS = 0.05  # a request for less costs more than it saves
_MIN_SEGMENT_BYTES = 2**19
_FAST_BYTES_PER_SECOND = 50_000_000  # of one connection: no host limits it, and others only cost CPU time
_MIN_GAIN = 1.1  # no further connection is opened if the last ones added less speed

Fetch = Callable[[Segment], Awaitable[None]]


class ParallelDownload:
    """Helper connections beside the first. Each downloads segments from the end of the file.

    `connections` limits them to what the host accepts. A helper that fails (interrupted, slow, refused) does
    not fail the file: its segment becomes a gap again, and no further helper starts. A disk error and another
    file behind the link end the whole attempt, by failing the group of `tasks`.
    """

    def __init__(
        self,
        segments: SegmentAllocator,
        size: int,
        options: ParallelOptions,
        fetch: Fetch,
        tasks: asyncio.TaskGroup,
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
        self._tasks = tasks
        self._connections = connections
        self._received = received
        self._clock = clock
        self._helpers: set[asyncio.Task[None]] = set()
        self._current: dict[asyncio.Task[None] | None, Segment] = {}
        self._since, self._before, self._best = clock(), received(), 0.0
        self._min_bytes = self._segment_bytes
        self.worthwhile = 1  # connections that were as fast as more

    async def keep_adjusting(self, first: int) -> None:
        """Begin with `first` connections, and add more while that adds speed."""
        self._add(first - 1)
        while self._max_connections > 1:
            await asyncio.sleep(self._window)
            self.adjust()

    def adjust(self) -> None:
        """Double the connections if the last ones added speed, judged once all of them receive bytes."""
        now = self._clock()
        if not all(segment.is_answered for segment in self._current.values()):
            self._since, self._before = now, self._received()
        if now - self._since < self._window or not self._max_connections:
            return
        rate = (self._received() - self._before) / (now - self._since)
        self._since, self._before = now, self._received()
        own_rate = rate / (len(self._helpers) + 1)
        self._min_bytes = max(_MIN_SEGMENT_BYTES, int(own_rate * _MIN_SEGMENT_SECONDS))
        if rate < self._best * _MIN_GAIN:
            self._max_connections = 0
            return
        self._best, self.worthwhile = rate, len(self._helpers) + 1
        if own_rate > _FAST_BYTES_PER_SECOND:
            self._max_connections = 0
            return
        self._add(len(self._helpers) + 1)

    @property
    def is_tried(self) -> bool:
        """Whether more than one connection was measured."""
        return self._best > 0

    async def wait_for_helpers(self) -> Segment | None:
        """Wait for all helpers to end; returns a segment that a failed helper has left."""
        while self._helpers:
            await asyncio.wait(self._helpers)
        return self._segments.take_first()

    def stop(self) -> None:
        """Stop every helper; each hands over the bytes it has."""
        self._max_connections = 0
        for helper in self._helpers:
            helper.cancel()

    def _add(self, count: int) -> None:
        """Add helpers, within what the host accepts."""
        for _ in range(min(count, self._max_connections - len(self._helpers) - 1)):
            if not self._connections.acquire():
                return
            helper = self._tasks.create_task(self._help(self._take_last()))
            self._helpers.add(helper)
            helper.add_done_callback(self._on_helper_done)

    def _on_helper_done(self, helper: asyncio.Task[None]) -> None:
        self._helpers.discard(helper)
        self._connections.release()

    async def _help(self, segment: Segment | None) -> None:
        this = asyncio.current_task()
        while segment is not None:
            self._current[this] = segment
            try:
                await self._fetch(segment)
            except (DiskError, FileChangedError):
                raise
            except BusyHostError:
                self._connections.on_refused()
                self._max_connections = 0
                return
            except TransferError:
                self._max_connections = 0
                return
            finally:
                del self._current[this]
                self._segments.release(segment)
            segment = self._take_last()

    def _take_last(self) -> Segment | None:
        return self._segments.take_last(self._segment_bytes, self._min_bytes)
