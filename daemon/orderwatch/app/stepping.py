"""What a step of the clock means for everything that was planned by it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.interval import IntervalTrigger

from orderwatch.ports import Store


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
