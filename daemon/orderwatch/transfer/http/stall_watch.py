"""Measures how long a download host sends nothing, and how fast it sends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from orderwatch.core.formatting import format_bytes
from orderwatch.errors import HostError, TransferError

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
        self._began = self._checked_at = time.monotonic()
        self._is_connected = self._is_answered = False
        self._own = 0.0  # seconds since the last check that do not count
        self._silent = 0.0
        self._received = 0
        self._waited, self._waited_from = 0.0, 0  # seconds and first byte of the window for the speed

    def on_connected(self) -> None:
        """Count from now on; before, libcurl limits the time for a connection."""
        self._is_connected = True
        self._silent = 0.0

    def on_header(self) -> None:
        """Record that a header line arrived."""
        self._silent = 0.0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time within the context, after the headers have arrived."""
        self._is_answered = True
        began = time.monotonic()
        try:
            yield
        finally:
            self._own += time.monotonic() - began

    def check(self, now: float, received: int) -> None:
        """Raise `TransferError` if the host is silent or slow; `received` bytes of the body have arrived."""
        waited = now - self._checked_at - self._own
        self._checked_at, self._own = now, 0.0
        if not self._is_connected:
            return
        self._silent = waited if received != self._received else self._silent + waited
        self._received = received
        is_dripping = not self._is_answered and now - self._began > self._limits.connect + self._limits.stall
        if self._silent > self._limits.stall or is_dripping:
            raise HostError("the download stalled", reached=self._is_answered)
        self._waited += waited
        if self._waited >= _SPEED_WINDOW_STALLS * self._limits.stall:
            self._check_speed()

    def _check_speed(self) -> None:
        size = self._received - self._waited_from
        if size < self._limits.min_speed * self._waited:
            raise TransferError(f"the download is too slow: {format_bytes(size)} in {self._waited:.0f} s")
        self._waited, self._waited_from = 0.0, self._received
