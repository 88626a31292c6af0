"""Whether this host's leases still last, by its own steady clock."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from orderwatch.service.clock import steady as boot_time

log = structlog.get_logger()

_MARGIN = 1 / 6  # of a lease, before its end, this host counts it as over
_LOOKS_PER_LEASE = 8


class OwnLease:
    """The lease that each beat renews. Before the first beat it is over."""

    def __init__(self, length: timedelta, steady: Callable[[], float] = boot_time) -> None:
        self.length = length
        self.steady = steady
        self._renewed_at = float("-inf")

    @property
    def is_sound(self) -> bool:
        """Whether no other host can hold what this one does, whatever happened to the database."""
        return self.steady() - self._renewed_at < self.length.total_seconds() * (1 - _MARGIN)

    def renew(self, began_at: float) -> None:
        """Record a beat by when it began: the lease never counts as longer than it is."""
        self._renewed_at = began_at

    async def watch(
        self, on_end: Callable[[], None], sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        """Call `on_end` whenever the lease ends without a beat; log it once, and once that it lasts again."""
        was_sound = self.is_sound
        while True:
            await sleep(self.length.total_seconds() / _LOOKS_PER_LEASE)
            if was_sound and not self.is_sound:
                log.warning("host.cut_off")
                on_end()
            elif not was_sound and self.is_sound:
                log.info("host.rejoined")
            was_sound = self.is_sound
