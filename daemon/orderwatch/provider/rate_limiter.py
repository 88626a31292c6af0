"""Limits one account's requests: evenly spaced per API host, and none during a pause."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from typing import Protocol

import structlog

from orderwatch.errors import DatabaseError, UnavailableError
from orderwatch.ports import Lanes

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


@dataclass(eq=False)
class _AccountLimiter:
    """What limiters share: the limits of the gap between two requests, and the pause of the account."""

    account: str
    requests_per_second: float
    _: KW_ONLY
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]
    rng: random.Random

    def __post_init__(self) -> None:
        self._min_gap = 1 / self.requests_per_second
        self._max_gap = max(self._min_gap, MAX_GAP_SECONDS)
        self._paused_until = float("-inf")

    @property
    def pause_left(self) -> float:
        """Seconds until the current pause ends; 0 if there is none."""
        return max(0.0, self._paused_until - self.monotonic())

    def _pause_for(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, self.monotonic() + seconds)


class RateLimiter(_AccountLimiter):
    """`Limiter` for the only process with this account: at most `requests_per_second` to each host."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._hosts: defaultdict[str, _Host] = defaultdict(lambda: _Host(self._min_gap))

    @property
    def gap(self) -> float:
        """Seconds between two requests to the slowest host."""
        return max((state.gap for state in self._hosts.values()), default=self._min_gap)

    def pause(self, seconds: float) -> None:
        """Pause every request of the account, as the provider's Retry-After demands."""
        log.debug("provider.paused", account=self.account, seconds=seconds)
        self._pause_for(seconds * self.rng.uniform(1.0, 1.1))

    async def acquire(self, host: str, name: str) -> None:
        """Wait for permission to send one request. Raises `UnavailableError` if that would take long.

        After a pause, queued requests continue at the host's rate, not in a burst.
        """
        state = self._hosts[host]
        async with state.queue:
            while (left := max(self.pause_left, state.free_at - self.monotonic())) > 0:
                _raise_if_long(self.pause_left, name)
                await self.sleep(left)
            state.free_at = self.monotonic() + state.gap

    async def on_response(self, host: str, *, overloaded: bool, wait: float) -> None:
        state = self._hosts[host]
        gap = state.gap * (GAP_GROWTH if overloaded else GAP_SHRINKAGE)
        state.gap = min(self._max_gap, max(self._min_gap, gap))
        if overloaded and wait:
            self.pause(wait)


@dataclass(eq=False)
class SharedRateLimiter(_AccountLimiter):
    """`Limiter` with a lane in the database; without the database nothing is sent.

    `gap` and `pause_left` are what this process has learned last.
    """

    lanes: Lanes

    def __post_init__(self) -> None:
        super().__post_init__()
        self._gaps: defaultdict[str, float] = defaultdict(lambda: self._min_gap)
        self._queues: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def gap(self) -> float:
        return max(self._gaps.values(), default=self._min_gap)

    async def acquire(self, host: str, name: str) -> None:
        """Wait for the next slot of all hosts. Raises `UnavailableError` if that would take long."""
        async with self._queues[host]:
            while True:
                _raise_if_long(self.pause_left, name)  # a long pause costs no statement per request
                slot = await self.lanes.reserve(self.account, host, self._min_gap)
                self._gaps[host] = slot.gap
                if await self._is_held(slot.held, name):
                    continue
                if slot.wait <= 0:
                    return
                await self.sleep(slot.wait)
                if not await self._is_held(await self.lanes.held(self.account), name):
                    return  # no other host received a Retry-After meanwhile

    async def on_response(self, host: str, *, overloaded: bool, wait: float) -> None:
        with suppress(DatabaseError):  # the response counts for more; the next slot needs the database too
            if overloaded and wait:
                await self._hold(wait * self.rng.uniform(1.0, 1.1))
            if overloaded or self._gaps[host] > self._min_gap:
                factor = GAP_GROWTH if overloaded else GAP_SHRINKAGE
                await self.lanes.scale(self.account, host, factor, (self._min_gap, self._max_gap))

    async def _hold(self, seconds: float) -> None:
        log.debug("provider.paused", account=self.account, seconds=seconds)
        self._pause_for(seconds)
        await self.lanes.hold(self.account, seconds)

    async def _is_held(self, seconds: float, name: str) -> bool:
        """Wait while the account is held, and return whether it was."""
        self._pause_for(seconds)
        _raise_if_long(seconds, name)
        if seconds > 0:
            await self.sleep(seconds)
        return seconds > 0


def _raise_if_long(pause: float, name: str) -> None:
    """Raise `UnavailableError` if a pause of so many seconds is too long to wait for."""
    if pause > MAX_WAIT_SECONDS:
        raise UnavailableError(f"{name}: the provider requires a pause of {pause:.0f} s more", wait=pause)
