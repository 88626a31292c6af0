"""Measures how long a download host sends nothing, and how fast it sends."""

import time
from dataclasses import dataclass

from orderwatch.core.formatting import format_bytes
from orderwatch.errors import TransferError

_SPEED_WINDOW_STALLS = 2  # a host may be slow for this many times `stall_timeout`


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits in seconds, and in bytes per second: `stall` without a byte, `connect` for a connection."""

    stall: float
    connect: float
    min_speed: int = 0


class StallWatch:
    """The watch over one request. Time in which we do not read does not count."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.begin()

    def begin(self) -> None:
        self._began = time.monotonic()
        self._waiting_since: float | None = None  # while a connection is made, libcurl's limit counts
        self._waited, self._received = 0.0, 0

    def touch(self) -> None:
        self._waiting_since = time.monotonic()

    def is_late(self, *, has_head: bool) -> bool:
        now, limits = time.monotonic(), self._limits
        if not has_head and now - self._began > limits.connect + limits.stall:
            return True  # a host could send its headers byte by byte
        return self._waiting_since is not None and now - self._waiting_since > limits.stall

    def paused(self, size: int) -> "StallWatch":
        """Count received bytes; the time within the context is ours, not the host's."""
        if self._waiting_since is not None:
            self._waited += time.monotonic() - self._waiting_since
        self._waiting_since = None
        self._received += size
        if self._waited >= _SPEED_WINDOW_STALLS * self._limits.stall:
            if self._received < self._limits.min_speed * self._waited:
                received = format_bytes(self._received)
                raise TransferError(f"the download is too slow: {received} in {self._waited:.0f} s")
            self._waited, self._received = 0.0, 0
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.touch()
