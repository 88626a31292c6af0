"""Pings a URL that raises the alarm when it hears nothing: after useful sweeps, while nobody is needed."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta

import structlog

from orderwatch.errors import NotifyError
from orderwatch.ports import Pinger
from orderwatch.service.poller import Round

log = structlog.get_logger()

_AGAIN = 30.0  # seconds after a ping that failed


def use_of(done: Round) -> bool | None:
    """Whether a round was good; None where nothing was due, or the list was due before all was looked at."""
    if done.problems:
        return False
    return True if done.answered and not done.put_off else None


class Deadman:
    """Asks `url` while all is well, and `fail` instead while something needs a person.

    `accounts` are those that have something to watch: each has to be well before `url` is asked.
    `attention` is what needs a person, None until it is known. A URL that is None is not asked.
    """

    def __init__(
        self,
        url: Pinger | None,
        accounts: Collection[str],
        *,
        every: timedelta,
        fail: Pinger | None = None,
        attention: Callable[[], Sequence[object] | None] = tuple,
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
        if self._pinger() is not None:
            self._news.set()

    async def run(self) -> None:
        """For ever: at most one ping per `every`."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._pinger() is not None:
                await self._sleep(self._every if await self.ping() else min(_AGAIN, self._every))

    async def ping(self) -> bool:
        """Ask the URL that tells how it is now, if that is known; False where it does not take it."""
        found = self.attention()
        pinger = self._fail if found else self._url
        if found is None or pinger is None:
            return True
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

    def _pinger(self) -> Pinger | None:
        """Which URL is to be asked after these sweeps; None where none is."""
        found = self.attention()
        if found is None:
            return None
        if found:
            return self._fail
        return self._url if self._all_well() else None

    def _all_well(self) -> bool:
        return self._accounts <= self._heard and all(self._well.get(name) for name in self._accounts)
