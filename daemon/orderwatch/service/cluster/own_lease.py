"""Whether this host's leases still last, by its own steady clock.

`OwnLease.may_act` answers at once and for any thread. Work under a lease runs in a `term`: once the lease is
over it is interrupted, and its `may_act` stays false even if the host beats again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from orderwatch.ports import LEASE
from orderwatch.service.clock import steady as boot_time

log = structlog.get_logger()

_MARGIN = 1 / 6  # of a lease, before its end, this host counts it as over
_LOOKS_PER_LEASE = 8


class OwnLease:
    """The lease that each beat renews. Before the first beat it is over.

    Unless it is `shared`, no other host can take over, and it lasts as long as the process.
    """

    def __init__(
        self, length: timedelta = LEASE, steady: Callable[[], float] = boot_time, *, shared: bool = True
    ) -> None:
        self.length = length
        self.steady = steady
        self.is_shared = shared
        self._renewed_at = float("-inf")
        self._terms: set[Term] = set()

    @property
    def is_sound(self) -> bool:
        """Whether no other host can hold what this one does, whatever happened to the database."""
        lasts = self.length.total_seconds() * (1 - _MARGIN)
        return not self.is_shared or self.steady() - self._renewed_at < lasts

    def renew(self, began_at: float) -> None:
        """Record a beat by when it began: the lease never counts as longer than it is."""
        if not self.is_sound:
            self._end_terms()
        self._renewed_at = began_at

    @asynccontextmanager
    async def term(self) -> AsyncIterator["Term"]:
        """Interrupt the body, as a cancellation does, once the lease is over."""
        term = Term(self)
        try:
            async with term.scope:
                self._terms.add(term)
                yield term
        except TimeoutError:
            if not term.scope.expired():
                raise
        finally:
            self._terms.discard(term)

    async def watch(
        self, on_end: Callable[[], None], sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        """Call `on_end` whenever the lease ends without a beat; log it once, and once that it lasts again."""
        was_sound = self.is_sound
        while True:
            await sleep(self.length.total_seconds() / _LOOKS_PER_LEASE)
            if was_sound and not self.is_sound:
                log.warning("host.cut_off")
                self._end_terms()
                on_end()
            elif not was_sound and self.is_sound:
                log.info("host.rejoined")
            was_sound = self.is_sound

    def _end_terms(self) -> None:
        terms, self._terms = self._terms, set()
        for term in terms:
            term.end()


class Term:
    """Work that began under a lease and ends with it."""

    def __init__(self, lease: OwnLease) -> None:
        self.scope = asyncio.timeout(None)
        self._lease = lease
        self._has_ended = False

    def may_act(self) -> bool:
        """Return whether no other host can have taken over since this work began. For any thread."""
        return self._lease.is_sound and not self._has_ended

    def end(self) -> None:
        """Interrupt the work; it may not act any more."""
        self._has_ended = True
        self.scope.reschedule(asyncio.get_running_loop().time())
