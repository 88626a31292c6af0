"""Notices what people do beside the daemon: reads the rows regularly, and wakes the workers."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from orderwatch.core.actions.action import Action
from orderwatch.ports import Store
from orderwatch.service.actions.controls import Controls
from orderwatch.service.liveness import Worker
from orderwatch.service.wakeup import Wakeup

log = structlog.get_logger()

POLL_SECONDS = 0.4  # people get an answer within a second
SHARED_POLL_SECONDS = 30.0  # of each host on one database, which wakes them all at each action
_MAX_AGE = timedelta(minutes=10)  # of a refresh; who requested it waits no longer


class ActionWatch:
    """Keeps `controls` as the rows have them; any new action triggers all `wakeups`.

    It reads the rows again when `noticed` is triggered.
    """

    def __init__(
        self,
        store: Store,
        controls: Controls,
        wakeups: Collection[Wakeup],
        *,
        now: Callable[[], datetime],
        interval: float = POLL_SECONDS,
    ) -> None:
        self._store = store
        self._controls = controls
        self._wakeups = wakeups
        self._now = now
        self._interval = interval
        self.noticed = Wakeup()
        self._newest: int | None = None  # None before the first reading

    @property
    def newest(self) -> int:
        """The number of the newest action that was noticed."""
        return self._newest or 0

    async def run(self, worker: Worker) -> None:
        """Read the rows regularly, forever."""
        with worker:
            while True:
                worker.progress()
                ticket = self.noticed.subscribe()
                await self.read()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._interval):
                        await ticket.wait()

    async def read(self) -> None:
        """Read what is new, if anything is."""
        newest = await self._store.actions.newest()
        if newest == self._newest:
            return
        is_first = self._newest is None
        known = newest if self._newest is None else self._newest
        news = await self._store.actions.news(known, self._now() - _MAX_AGE)
        self._newest = news.newest
        self._controls.apply(news)
        for action in news.fresh:
            log.info("action.noticed", **_facts(action))
        if is_first and news.pauses.all:
            log.warning("pause.in_force", detail=news.pauses.words)
        for wakeup in self._wakeups:
            wakeup.trigger()


def _facts(action: Action) -> dict[str, str]:
    named = {"account": action.account, "order_id": action.order_id}
    return {"action": action.kind, "who": action.who} | {k: v for k, v in named.items() if v is not None}
