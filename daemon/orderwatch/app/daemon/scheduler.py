"""What wakes the crew: the scheduler rings, and a heartbeat beside it that no setting of the clock stops."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.interval import IntervalTrigger

from orderwatch.app.daemon.resources import Resources
from orderwatch.config import Settings
from orderwatch.db.daemon_status import show_alive
from orderwatch.ports import Store
from orderwatch.service.clock import ClockWatch


class Planner(Protocol):
    """Who keeps moments in memory."""

    def stepped(self, by: timedelta) -> None:
        """Our clock was set by so much."""
        ...


async def step(by: timedelta, now: datetime, store: Store, planners: Iterable[Planner]) -> None:
    """Our clock was set by so much, to `now`: nothing comes later for it.

    A step back takes along what was planned; after one forward everything comes early, which does no harm.
    """
    if by < timedelta(0):
        await store.bring_forward(now, -by)
    for planner in planners:
        planner.stepped(by)


def rebase(scheduler: BaseScheduler) -> None:
    """The host's clock was set: no job sleeps longer than its interval, or goes by the old date."""
    now = datetime.now(UTC)
    for job in scheduler.get_jobs():
        trigger = job.trigger
        if isinstance(trigger, IntervalTrigger):
            job.modify(next_run_time=min(job.next_run_time, now + trigger.interval))
        else:
            job.modify(next_run_time=trigger.get_next_fire_time(None, now))


_LONGEST_TICK = timedelta(seconds=5)


class Schedule:
    """`planners` are those who keep moments in memory."""

    def __init__(self, resources: Resources, scheduler: AsyncIOScheduler) -> None:
        self.planners: Callable[[], Iterable[Planner]] = tuple
        self._resources = resources
        self._scheduler = scheduler
        self._worker = resources.monitoring.live.liveness.worker("heartbeat", within=60)

    def pace(self, settings: Settings) -> None:
        """Ring as often as these settings want."""
        seconds = min(_LONGEST_TICK, settings.polling.interval / 4).total_seconds()
        self._scheduler.add_job(
            self._ring_soon,
            "interval",
            id="tick",
            replace_existing=True,
            seconds=seconds,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )

    async def run(self) -> None:
        """The heartbeat."""
        beating = ClockWatch(
            ring=self._beat,
            rebase=lambda: rebase(self._scheduler),
            stepped=self._stepped,
            now=self._resources.clock.now,
        )
        with self._worker:
            await beating.run()

    async def _ring_soon(self) -> None:  # in the loop, not in a thread of the scheduler's
        self._ring()

    def _beat(self) -> None:
        show_alive(self._resources.database)
        self._worker.progress()
        self._ring()

    def _ring(self) -> None:
        self._resources.poll_wakeup.trigger()
        self._resources.fetch_wakeup.trigger()

    async def _stepped(self, by: timedelta) -> None:
        await step(by, self._resources.clock.now(), self._resources.store, self.planners())


@contextmanager
def scheduled(resources: Resources) -> Iterator[Schedule]:
    scheduler = AsyncIOScheduler(timezone=UTC)
    scheduler.start()
    try:
        yield Schedule(resources, scheduler)
    finally:
        scheduler.shutdown(wait=False)
