"""Limits one account's requests over all hosts of a cluster."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from orderwatch.errors import DatabaseError
from orderwatch.ports import Lanes
from orderwatch.provider.rate_limiter import GAP_GROWTH, GAP_SHRINKAGE, MAX_GAP_SECONDS, raise_if_long

log = structlog.get_logger()


class SharedRateLimiter:
    """`Limiter` with a lane in the database; without the database nothing is sent.

    `gap` and `pause_left` are what this process has learned last.
    """

    def __init__(
        self,
        account: str,
        requests_per_second: float,
        lanes: Lanes,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        rng: random.Random,
    ) -> None:
        self._account = account
        self._min_gap = 1 / requests_per_second
        self._max_gap = max(self._min_gap, MAX_GAP_SECONDS)
        self._lanes = lanes
        self._monotonic = monotonic
        self._sleep = sleep
        self._rng = rng
        self._paused_until = float("-inf")
        self._gaps: defaultdict[str, float] = defaultdict(lambda: self._min_gap)
        self._queues: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def pause_left(self) -> float:
        return max(0.0, self._paused_until - self._monotonic())

    @property
    def gap(self) -> float:
        return max(self._gaps.values(), default=self._min_gap)

    async def acquire(self, host: str, name: str) -> None:
        """Wait for the next slot of all hosts. Raises `UnavailableError` if that would take long."""
        async with self._queues[host]:
            while True:
                raise_if_long(self.pause_left, name)  # a long pause costs no statement per request
                slot = await self._lanes.reserve(self._account, host, self._min_gap)
                self._gaps[host] = slot.gap
                if await self._is_held(slot.held, name):
                    continue
                if slot.wait <= 0:
                    return
                await self._sleep(slot.wait)
                if not await self._is_held(await self._lanes.held(self._account), name):
                    return  # no other host received a Retry-After meanwhile

    async def on_response(self, host: str, *, overloaded: bool, wait: float) -> None:
        with suppress(DatabaseError):  # the response counts for more; the next slot needs the database too
            if overloaded and wait:
                await self._hold(wait * self._rng.uniform(1.0, 1.1))
            if overloaded or self._gaps[host] > self._min_gap:
                factor = GAP_GROWTH if overloaded else GAP_SHRINKAGE
                await self._lanes.scale(self._account, host, factor, (self._min_gap, self._max_gap))

    async def _hold(self, seconds: float) -> None:
        log.debug("provider.paused", account=self._account, seconds=seconds)
        self._paused_until = max(self._paused_until, self._monotonic() + seconds)
        await self._lanes.hold(self._account, seconds)

    async def _is_held(self, seconds: float, name: str) -> bool:
        """Wait while the account is held, and return whether it was."""
        self._paused_until = max(self._paused_until, self._monotonic() + seconds)
        raise_if_long(seconds, name)
        if seconds > 0:
            await self._sleep(seconds)
        return seconds > 0
