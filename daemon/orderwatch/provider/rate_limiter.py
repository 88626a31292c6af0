"""The cadence of one account's requests: to each host one at a time, evenly, and nobody while it is held."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from orderwatch.errors import UnavailableError

log = structlog.get_logger()

LONGEST_WAIT = 10.0  # s; who would have to wait longer inside a call is told to come back
SLOWEST = 10.0  # s between two requests, where a host is in trouble
ATTACK, DECAY = 2.0, 0.75


@dataclass(slots=True)
class _Lane:
    """One host: `gap` seconds between two requests, wider after trouble, narrower with every success."""

    gap: float
    free_at: float = float("-inf")
    queue: asyncio.Lock = field(default_factory=asyncio.Lock)


class RateLimiter:
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
        self._narrowest = 1 / requests_per_second
        self._monotonic = monotonic
        self._sleep = sleep
        self._rng = rng
        self._held_until = float("-inf")
        self._lanes: defaultdict[str, _Lane] = defaultdict(lambda: _Lane(self._narrowest))

    @property
    def held(self) -> float:
        """Seconds that everybody has to wait; never negative."""
        return max(0.0, self._held_until - self._monotonic())

    @property
    def gap(self) -> float:
        """Seconds between two requests to the host that is asked most slowly."""
        return max((lane.gap for lane in self._lanes.values()), default=self._narrowest)

    def hold(self, seconds: float) -> None:
        """The provider asked us to stay away, which holds every caller of the account."""
        log.debug("provider.paused", account=self._account, seconds=seconds)
        until = self._monotonic() + seconds * self._rng.uniform(1.0, 1.1)
        self._held_until = max(self._held_until, until)

    async def turn(self, host: str, name: str) -> None:
        """Wait for the right to send one request; `UnavailableError` where that would take long.

        Who queued while the account was held goes on at the lane's cadence, not in a burst.
        """
        lane = self._lanes[host]
        async with lane.queue:
            while (left := max(self.held, lane.free_at - self._monotonic())) > 0:
                if self.held > LONGEST_WAIT:
                    words = f"{name}: the provider asked us to wait {self.held:.0f} s more"
                    raise UnavailableError(words, wait=self.held)
                await self._sleep(left)
            lane.free_at = self._monotonic() + lane.gap

    def told(self, host: str, *, overloaded: bool, wait: float) -> None:
        """What an answer says of its host: in trouble or well, and how many seconds we are to stay away."""
        lane = self._lanes[host]
        widest = max(self._narrowest, SLOWEST)
        lane.gap = min(widest, max(self._narrowest, lane.gap * (ATTACK if overloaded else DECAY)))
        if overloaded and wait:
            self.hold(wait)
