"""Wakes the workers: by the scheduler, and by a clock watch that no clock step stops."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.interval import IntervalTrigger

from orderwatch.app.daemon.resources import Resources
from orderwatch.core.orders.poll_schedule import Pace
from orderwatch.db.daemon_status import touch_alive_file
from orderwatch.ports import Store
from orderwatch.service.clock import ClockWatch, steady


class Planner(Protocol):
    """A worker that keeps planned times in memory."""

    def on_clock_step(self, by: timedelta) -> None:
        """Adjust the planned times to a clock step."""
        ...


async def step(by: timedelta, now: datetime, store: Store, planners: Iterable[Planner]) -> None:
    """Handle a clock step of `by`, to `now`: nothing is delayed by it.

    A step back moves the planned times back too; after a step forward all is due early, which is harmless.
    """
    if by < timedelta(0):
        await store.maintenance.shift_schedule(now, -by)
    for planner in planners:
        planner.on_clock_step(by)


def rebase(scheduler: BaseScheduler) -> None:
    """Reschedule the jobs after a clock step: none sleeps longer than its interval or keeps the old date."""
    now = datetime.now(UTC)
    for job in scheduler.get_jobs():
        trigger = job.trigger
        if isinstance(trigger, IntervalTrigger):
            job.modify(next_run_time=min(job.next_run_time, now + trigger.interval))
        else:
            job.modify(next_run_time=trigger.get_next_fire_time(None, now))


_MAX_TICK = timedelta(seconds=5)


class Schedule:
    """`planners` returns the workers that keep planned times in memory."""

    def __init__(self, resources: Resources, scheduler: AsyncIOScheduler) -> None:
        self.planners: Callable[[], Iterable[Planner]] = tuple
        self._resources = resources
        self._scheduler = scheduler
        self._woken_at = steady()
        self._worker = resources.monitoring.live.liveness.worker("heartbeat", limit=60)

    def pace(self, pace: Pace) -> None:
        """Wake the workers several times per polling interval."""
        seconds = min(_MAX_TICK, pace.interval / 4).total_seconds()
        self._scheduler.add_job(
            self._wake_workers,
            "interval",
            id="tick",
            replace_existing=True,
            seconds=seconds,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )

    async def run(self) -> None:
        """Wake the workers regularly and watch the clock."""
        watch = ClockWatch(
            on_tick=self._beat,
            on_host_step=lambda: rebase(self._scheduler),
            on_step=self._stepped,
            now=self._resources.clock.now,
        )
        with self._worker:
            await watch.run()

    async def _wake_workers(self) -> None:  # a coroutine runs in the loop, not in a scheduler thread
        self._wake()

    def _beat(self) -> None:
        touch_alive_file(self._resources.database)
        self._worker.progress()
        if (
            steady() - self._woken_at > 2 * _MAX_TICK.total_seconds()
        ):  # the scheduler was stopped by a clock step
            self._wake()

    def _wake(self) -> None:
        self._woken_at = steady()
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
