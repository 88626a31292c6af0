"""Pings a monitor that alerts when pings stop: after successful sweeps, while nothing needs a person."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta

import structlog

from orderwatch.core.attention.attention import beyond_heartbeat
from orderwatch.core.attention.concern import Concern
from orderwatch.errors import NotifyError
from orderwatch.ports import Pinger
from orderwatch.service.polling.poller import SweepResult

log = structlog.get_logger()

_RETRY_SECONDS = 30.0  # after a failed ping


def is_useful(done: SweepResult) -> bool | None:
    """Return whether a sweep succeeded; None if nothing was due or it was interrupted by the list."""
    if done.problems:
        return False
    return True if done.answered and not done.postponed else None


class Heartbeat:
    """Pings `url` while all is well, and `fail` while something needs a person; None is not pinged.

    `accounts` are those with something to watch: each has to be well before `url` is pinged. `attention`
    returns what needs a person now, None if unknown.
    """

    def __init__(
        self,
        url: Pinger | None,
        accounts: Collection[str],
        *,
        every: timedelta,
        fail: Pinger | None = None,
        attention: Callable[[], Awaitable[Sequence[Concern] | None]],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._url = url
        self._fail = fail
        self.attention = attention
        self._accounts = frozenset(accounts)
        self._every = every.total_seconds()
        self._sleep = sleep
        self._is_well: dict[str, bool] = {}
        self._reported: set[str] = set()  # since the last ping
        self._news = asyncio.Event()
        self._failing = False

    def on_sweep(self, account: str, good: bool | None) -> None:  # noqa: FBT001 - a fact of three values
        """Record the result of a sweep over the account; None if nothing was due, which changes nothing."""
        if good is not None:
            self._is_well[account] = good
        self._reported.add(account)
        if self._fail is not None or self._all_well():
            self._news.set()

    async def run(self) -> None:
        """Ping forever, at most once per `every`."""
        while True:
            await self._news.wait()
            self._news.clear()
            if (pinger := await self._pinger()) is not None:
                await self._sleep(
                    self._every if await self._ping(pinger) else min(_RETRY_SECONDS, self._every)
                )

    async def ping(self, *, all_well: bool) -> bool:
        """Ping the URL for the current state, if known; returns False if that fails."""
        pinger = self._pinger_of(await self.attention(), all_well=all_well)
        return pinger is None or await self._ping(pinger)

    async def _ping(self, pinger: Pinger) -> bool:
        try:
            await pinger.ping()
        except NotifyError as error:
            if not self._failing:
                log.warning("heartbeat.failing", reason=str(error))
            self._failing = True
            return False
        if self._failing:
            log.info("heartbeat.restored")
        self._failing = False
        self._reported.clear()
        return True

    async def _pinger(self) -> Pinger | None:
        """Return the URL to ping after these sweeps, None for none."""
        return self._pinger_of(await self.attention(), all_well=self._all_well())

    def _pinger_of(self, found: Sequence[Concern] | None, *, all_well: bool) -> Pinger | None:
        if found is None:
            return None
        if beyond_heartbeat(found):
            return self._fail
        return self._url if all_well else None

    def _all_well(self) -> bool:
        return self._accounts <= self._reported and all(self._is_well.get(name) for name in self._accounts)
