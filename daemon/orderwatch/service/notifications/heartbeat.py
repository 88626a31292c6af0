"""Pings a URL that raises the alarm when it hears nothing: after useful sweeps, while nobody is needed."""

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

_AGAIN = 30.0  # seconds after a ping that failed


def is_useful(done: SweepResult) -> bool | None:
    """Whether a round was good; None where nothing was due, or the list was due before all was looked at."""
    if done.problems:
        return False
    return True if done.answered and not done.put_off else None


class Heartbeat:
    """Asks `url` while all is well, and `fail` instead while something needs a person.

    `accounts` are those that have something to watch: each has to be well before `url` is asked.
    `attention` reads what needs a person at that moment, None where that is not known.
    A URL that is None is not asked.
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
        self._well: dict[str, bool] = {}
        self._heard: set[str] = set()  # since the last ping
        self._news = asyncio.Event()
        self._failing = False

    def swept(self, account: str, good: bool | None) -> None:  # noqa: FBT001 - a fact of three values
        """A round over the account ended: whole and without problems, or not; None where nothing was due.

        Where nothing is due the account is as well as it was when it was asked last.
        """
        if good is not None:
            self._well[account] = good
        self._heard.add(account)
        if self._fail is not None or self._all_well():
            self._news.set()

    async def run(self) -> None:
        """For ever: at most one ping per `every`."""
        while True:
            await self._news.wait()
            self._news.clear()
            if (pinger := await self._pinger()) is not None:
                await self._sleep(self._every if await self._ping(pinger) else min(_AGAIN, self._every))

    async def ping(self, *, all_well: bool) -> bool:
        """Ask the URL that tells how it is now, if that is known; False where it does not take it."""
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
        self._heard.clear()
        return True

    async def _pinger(self) -> Pinger | None:
        """Which URL is to be asked after these sweeps; None where none is."""
        return self._pinger_of(await self.attention(), all_well=self._all_well())

    def _pinger_of(self, found: Sequence[Concern] | None, *, all_well: bool) -> Pinger | None:
        if found is None:
            return None
        if beyond_heartbeat(found):
            return self._fail
        return self._url if all_well else None

    def _all_well(self) -> bool:
        return self._accounts <= self._heard and all(self._well.get(name) for name in self._accounts)
