"""The scheduler's jobs go by the host's clock, which may be set."""

from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from orderwatch.app.daemon.scheduler import rebase

TICK = timedelta(seconds=5)


@pytest.mark.parametrize("planned", [timedelta(hours=1), timedelta(days=400)])
async def test_no_job_sleeps_through_a_clock_that_was_set_back(planned: timedelta) -> None:
    scheduler = AsyncIOScheduler(timezone=UTC)
    scheduler.start(paused=True)
    tick = scheduler.add_job(print, IntervalTrigger(seconds=5, timezone=UTC))
    nightly = scheduler.add_job(print, CronTrigger(hour=3, timezone=UTC))
    before = datetime.now(UTC)
    for job in (tick, nightly):
        job.modify(next_run_time=before + planned)
    rebase(scheduler)
    assert tick.next_run_time <= datetime.now(UTC) + TICK
    assert before < nightly.next_run_time <= before + timedelta(days=1)
    assert nightly.next_run_time.hour == 3
    scheduler.shutdown(wait=False)


async def test_a_job_that_is_due_stays_due_when_the_clock_is_set() -> None:
    scheduler = AsyncIOScheduler(timezone=UTC)
    scheduler.start(paused=True)
    tick = scheduler.add_job(print, IntervalTrigger(seconds=5, timezone=UTC))
    due = datetime.now(UTC) - timedelta(hours=1)
    tick.modify(next_run_time=due)
    rebase(scheduler)
    assert tick.next_run_time == due
    scheduler.shutdown(wait=False)
