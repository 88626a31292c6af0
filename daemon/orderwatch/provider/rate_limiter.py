"""Limits one account's requests: evenly spaced per host, and none during a pause."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from orderwatch.errors import UnavailableError

log = structlog.get_logger()

MAX_WAIT_SECONDS = 10.0  # a call that would wait longer fails with `UnavailableError`
MAX_GAP_SECONDS = 10.0  # between two requests to an overloaded host
GAP_GROWTH, GAP_SHRINKAGE = 2.0, 0.75


class Limiter(Protocol):
    """Limits the requests of one account, of this process or of all hosts."""

    @property
    def pause_left(self) -> float:
        """Seconds until the current pause ends; 0 if there is none."""
        ...

    @property
    def gap(self) -> float:
        """Seconds between two requests to the slowest host."""
        ...

    async def acquire(self, host: str, name: str) -> None:
        """Wait for permission to send one request. Raises `UnavailableError` if that would take long."""
        ...

    async def on_response(self, host: str, *, overloaded: bool, wait: float) -> None:
        """Adapt to a response: `overloaded` or not, and how many seconds to pause."""
        ...


@dataclass(slots=True)
class _Host:
    """One host: `gap` seconds between two requests grow after overload and shrink after success."""

    gap: float
    free_at: float = float("-inf")
    queue: asyncio.Lock = field(default_factory=asyncio.Lock)


class RateLimiter:
    """`Limiter` for the only process with this account: at most `requests_per_second` to each host."""

    def __init__(
        self,
        account: str,
        requests_per_second: float,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        rng: random.Random,
    ) -> None:
        self._account = account
        self._min_gap = 1 / requests_per_second
        self._monotonic = monotonic
        self._sleep = sleep
        self._rng = rng
        self._paused_until = float("-inf")
        self._hosts: defaultdict[str, _Host] = defaultdict(lambda: _Host(self._min_gap))

    @property
    def pause_left(self) -> float:
        """Seconds until the current pause ends; 0 if there is none."""
        return max(0.0, self._paused_until - self._monotonic())

    @property
    def gap(self) -> float:
        """Seconds between two requests to the slowest host."""
        return max((state.gap for state in self._hosts.values()), default=self._min_gap)

    def pause(self, seconds: float) -> None:
        """Pause every request of the account, as the provider's Retry-After demands."""
        log.debug("provider.paused", account=self._account, seconds=seconds)
        until = self._monotonic() + seconds * self._rng.uniform(1.0, 1.1)
        self._paused_until = max(self._paused_until, until)

    async def acquire(self, host: str, name: str) -> None:
        """Wait for permission to send one request. Raises `UnavailableError` if that would take long.

        After a pause, queued requests continue at the host's rate, not in a burst.
        """
        state = self._hosts[host]
        async with state.queue:
            while (left := max(self.pause_left, state.free_at - self._monotonic())) > 0:
                raise_if_long(self.pause_left, name)
                await self._sleep(left)
            state.free_at = self._monotonic() + state.gap

    async def on_response(self, host: str, *, overloaded: bool, wait: float) -> None:
        state = self._hosts[host]
        max_gap = max(self._min_gap, MAX_GAP_SECONDS)
        state.gap = min(
            max_gap, max(self._min_gap, state.gap * (GAP_GROWTH if overloaded else GAP_SHRINKAGE))
        )
        if overloaded and wait:
            self.pause(wait)


def raise_if_long(pause: float, name: str) -> None:
    """Raise `UnavailableError` if a pause of so many seconds is too long to wait for."""
    if pause > MAX_WAIT_SECONDS:
        raise UnavailableError(f"{name}: the provider requires a pause of {pause:.0f} s more", wait=pause)
