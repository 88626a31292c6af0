"""Divides the missing bytes of a file into segments, each of one connection."""

import threading

from orderwatch.core.deliveries.byte_ranges import Ranges, Span


class Segment:
    """Bytes that one connection downloads: `at` advances; `stop` may be lowered when another takes the rest.

    `stop` is None if the size of the file is unknown. Threads of several connections share the `lock`.
    """

    def __init__(self, at: int, stop: int | None, lock: threading.Lock) -> None:
        self.start = self.at = at
        self.stop = stop
        self.requested_stop = stop  # its connection would receive bytes up to here
        self.is_answered = False  # by the host
        self._lock = lock

    def take(self, size: int) -> tuple[int, int]:
        """Advance by `size` received bytes; returns their offset, and how many of them the segment lacked."""
        with self._lock:
            at, left = self.at, self.left
            taken = size if left is None else min(size, left)
            self.at += taken
            return at, taken

    @property
    def is_cut_off(self) -> bool:
        """Whether the segment is complete, and its connection would receive more."""
        return self.left == 0 and self.stop != self.requested_stop

    @property
    def left(self) -> int | None:
        """The bytes that are missing, None if unknown."""
        return None if self.stop is None else self.stop - self.at


class SegmentAllocator:
    """Divides the missing bytes of a file of `size` bytes (None if unknown) into segments."""

    def __init__(self, held: Ranges, size: int | None) -> None:
        self._lock = threading.Lock()
        self._active: list[Segment] = []
        self._gaps: list[Span] = [] if size is None else list(held.gaps(size))
        self._unbounded = [Segment(held.prefix, None, self._lock)] if size is None else []

    def take_first(self) -> Segment | None:
        """Return the first gap that no connection downloads, whole."""
        if self._unbounded:
            return self._unbounded.pop()
        return self._begin(self._gaps.pop(0)) if self._gaps else None

    def take_last(self, segment_bytes: int, min_bytes: int) -> Segment | None:
        """Return about `segment_bytes` from the end of the last gap, or of the longest active segment.

        What is left of that is halved in the end, as long as each half has `min_bytes`.
        """
        if self._gaps:
            start, stop = self._gaps.pop()
            if stop - start >= 2 * segment_bytes:
                self._gaps.append((start, stop - segment_bytes))
                start = stop - segment_bytes
            return self._begin((start, stop))
        with self._lock:
            longest = max(self._active, key=lambda segment: segment.left or 0, default=None)
            if longest is None or longest.stop is None:
                return None
            size = min(segment_bytes, (longest.left or 0) // 2)
            if size < min(segment_bytes, min_bytes):
                return None
            stop, longest.stop = longest.stop, longest.stop - size
        return self._begin((stop - size, stop))

    def release(self, segment: Segment) -> None:
        """Turn what is left of the segment into a gap again, after its connection ended."""
        if segment in self._active:
            self._active.remove(segment)
        with self._lock:
            for other in self._active:
                if (
                    segment.left
                    and other.stop == segment.at
                    and other.left
                    and (other.requested_stop or 0) >= segment.at + segment.left
                ):
                    other.stop, segment.stop = segment.stop, segment.at
        if segment.left:
            self._gaps = sorted([*self._gaps, (segment.at, segment.at + segment.left)])

    def _begin(self, span: Span) -> Segment:
        segment = Segment(*span, self._lock)
        self._active.append(segment)
        return segment
