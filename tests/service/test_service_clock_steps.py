"""The host's clock is set, or the machine sleeps: by the steady clock no sweep is more than 15 s late."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import DAY, HOUR, MINUTE, PACE, House, Time, connected, new_gate, patterns
from tests.service.tracking_kit import (
    ALWAYS,
    SUBJECT,
    TASKS,
    as_daemon,
    asked,
    beside,
    capture,
    fault,
    heard,
    lie,
    order,
    stored,
    the_order,
)

from orderwatch.app.daemon.scheduler import step
from orderwatch.core.model import DeliveryState, OrderKey
from orderwatch.errors import AnswerError, RefusedError
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.clock import CHECK_INTERVAL_SECONDS, Clock, ClockSteps, ClockWatch
from orderwatch.service.polling.poller import OrderBackoff, Poller

BEAT = timedelta(seconds=CHECK_INTERVAL_SECONDS)
SECOND, ZERO = timedelta(seconds=1), timedelta(0)
LONG = pytest.mark.long  # played by `make sweep`
PATTERN = patterns(project_name="*")


@dataclass
class Machine:
    """`time` is the steady clock and the provider's; the wall is off by so much."""

    time: Time
    off: timedelta = ZERO

    def wall(self) -> datetime:
        return self.time.epoch + timedelta(seconds=self.time.seconds) + self.off


@dataclass
class Daemon:
    """What the heartbeat alone wakes, since the scheduler sleeps through a step."""

    house: House
    machine: Machine
    poller: Poller
    heartbeat: ClockWatch

    async def live(self, span: timedelta) -> None:
        end = self.house.time.seconds + span.total_seconds()
        while self.house.time.seconds < end:
            self.house.time.move(BEAT)
            await self.heartbeat.check()
            await self.round()

    async def round(self) -> None:
        await self.poller.sweep()
        h = self.house
        while delivery := await h.fetcher.next():
            await h.fetcher.fetch(delivery)

    def sweeps(self) -> list[float]:
        """When the list was asked for, by the steady clock."""
        return [entry.at for entry in asked(self.house) if entry.path == TASKS]


@asynccontextmanager
async def at_work(h: House, *, answers: bool) -> AsyncIterator[Daemon]:
    """A daemon by the clock of a machine that can be set; with `answers` it hears the provider's time."""
    machine = Machine(h.time)
    clock = Clock(wall=machine.wall, steady=h.time.read)
    forwarding_to = clock.on_date if answers else lambda _date: None
    async with connected(h.simulator, heard=forwarding_to) as connection:
        h.time.now = clock.now  # type: ignore[method-assign]
        h.fetcher._now = clock.now
        h.tools["main"] = replace(h.tools["main"], now=clock.now)
        poller = as_daemon(h, PATTERN, connection, breaker=new_gate(h.store, h.time))

        async def on_step(by: timedelta) -> None:
            await step(by, clock.now(), h.store, [poller])

        yield Daemon(
            h,
            machine,
            poller,
            ClockWatch(
                on_tick=lambda: None,
                on_host_step=lambda: None,
                on_step=on_step,
                now=clock.now,
                wall=machine.wall,
                steady=h.time.read,
            ),
        )


def steps(*often: timedelta) -> list[object]:
    rare = [by for by in (-50 * SECOND, -HOUR, -5 * SECOND, HOUR, 400 * DAY, -400 * DAY) if by not in often]
    return [*often, *(pytest.param(by, marks=LONG) for by in rare)]


@pytest.mark.parametrize("answers", [False, pytest.param(True, marks=LONG)], ids=["silent", "dated"])
@pytest.mark.parametrize("by", steps(-50 * SECOND, -HOUR), ids=str)
async def test_no_sweep_is_late_however_the_clock_is_set(
    tmp_path: Path, events: LogCapture, by: timedelta, *, answers: bool
) -> None:
    async with beside(tmp_path, order(captures=[capture()])) as h, at_work(h, answers=answers) as daemon:
        await daemon.round()
        await daemon.live(3 * MINUTE)
        daemon.machine.off += by
        await daemon.live(9 * MINUTE)
        gaps = [later - earlier for earlier, later in pairwise(daemon.sweeps())]
        assert len(gaps) >= 2
        assert max(gaps) <= PACE.interval.total_seconds() + CHECK_INTERVAL_SECONDS
        assert heard(events, "clock.stepped") == ["clock.stepped"]
        assert await stored(h)


@LONG
@pytest.mark.parametrize("zone", ["Europe/Madrid", "America/Santiago", "Pacific/Apia"])
async def test_no_sweep_is_late_when_summer_ends(
    tmp_path: Path, events: LogCapture, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    async with beside(tmp_path) as h, at_work(h, answers=True) as daemon:
        h.time.epoch = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)
        await daemon.live(30 * MINUTE)
        gaps = [later - earlier for earlier, later in pairwise(daemon.sweeps())]
        assert max(gaps) <= PACE.interval.total_seconds() + CHECK_INTERVAL_SECONDS
        assert len(heard(events, "clock.stepped")) <= 1  # the epoch itself was moved
    monkeypatch.undo()
    time.tzset()


async def test_after_a_suspend_everything_is_looked_at_by_the_next_beat(
    tmp_path: Path, events: LogCapture
) -> None:
    async with beside(tmp_path, order(captures=[capture()])) as h, at_work(h, answers=True) as daemon:
        await daemon.round()
        await daemon.live(MINUTE)
        h.time.move(3 * HOUR)  # the wall and the steady clock go on, who sleeps does not
        await daemon.live(BEAT)
        assert daemon.sweeps()[-1] == h.time.seconds
        assert not heard(events, "clock.")


async def test_a_look_and_a_pause_that_were_planned_come_no_later_for_a_clock_that_is_set_back(
    tmp_path: Path,
) -> None:
    down = fault("download", "status", code=503, match={"task_id": SUBJECT}, **ALWAYS)
    async with (
        beside(tmp_path, order(captures=[capture()]), faults=[down]) as h,
        at_work(h, answers=False) as daemon,
    ):
        await daemon.round()
        [waiting] = await h.store.deliveries.in_states(DeliveryState.WAITING)
        assert waiting.not_before is not None
        due = waiting.not_before - h.time.epoch
        looked = (await the_order(h)).next_look_at
        assert looked is not None
        lie(h)
        daemon.machine.off -= HOUR
        await daemon.live(BEAT)
        planned = (await the_order(h)).next_look_at
        assert planned is not None
        assert abs(planned - (looked - HOUR)) < SECOND
        await daemon.live(due)
        assert await stored(h)


# The parts


def test_small_steps_count_once_they_are_two_seconds_and_a_suspend_is_none() -> None:
    machine = Machine(Time())
    found = ClockSteps(machine.wall, machine.time.read)
    told = []
    for off in (0.0, 0.9, 1.8, 2.7, 2.7, 1.0):
        machine.off = timedelta(seconds=off)
        machine.time.move(HOUR)
        told.append(found.take_step() / SECOND)
    assert told == pytest.approx([0, 0, 0, 2.7, 0, 0])


async def test_the_heartbeat_rings_at_every_beat_and_says_each_step_once(events: LogCapture) -> None:
    machine, rung, told = Machine(Time()), list[float](), list[timedelta]()

    async def on_step(by: timedelta) -> None:
        told.append(by)

    async def sleep(seconds: float) -> None:
        machine.time.move(timedelta(seconds=seconds))
        if len(rung) == 2:
            machine.off -= HOUR
        if len(rung) == 6:
            raise StopAsyncIteration

    heartbeat = ClockWatch(
        on_tick=lambda: rung.append(machine.time.seconds),
        on_host_step=lambda: told.append(ZERO),
        on_step=on_step,
        now=machine.wall,
        wall=machine.wall,
        steady=machine.time.read,
        sleep=sleep,
    )
    with pytest.raises(StopAsyncIteration):
        await heartbeat.run()
    assert rung == [CHECK_INTERVAL_SECONDS * n for n in range(1, 7)]
    assert told == [ZERO, -HOUR]
    assert [event["by_seconds"] for event in events.entries] == [-3600.0]


async def test_the_pause_of_an_account_ends_when_it_would_have_and_began_when_it_did(
    tmp_path: Path, events: LogCapture
) -> None:
    async with beside(tmp_path) as h:
        machine = Machine(h.time)
        breaker = AccountBreaker(
            "main", None, h.store, interval=PACE.interval, now=machine.wall, rng=random.Random(7)
        )
        await breaker.on_failure(RefusedError("no"))
        assert breaker.trouble is not None
        left = breaker.trouble.until - machine.wall()
        machine.off -= HOUR
        breaker.on_clock_step(-HOUR)
        h.time.move(left - SECOND)
        held = [breaker.blocks_now]
        h.time.move(2 * SECOND)
        assert [*held, breaker.blocks_now] == [True, False]
        await breaker.on_success()
        assert events.entries[-1]["lasted_seconds"] == round((left + SECOND) / SECOND)


def test_the_pause_of_an_order_ends_when_it_would_have(events: LogCapture) -> None:
    machine = Machine(Time())
    patience = OrderBackoff("main", PACE, machine.wall)
    patience.on_failure(OrderKey(str(SUBJECT), SUBJECT), AnswerError("odd"))
    machine.time.move(3 * MINUTE)
    machine.off -= MINUTE
    patience.on_clock_step(-MINUTE)
    held = [patience.blocks_now(str(SUBJECT))]
    machine.time.move(2 * MINUTE)
    assert [*held, patience.blocks_now(str(SUBJECT))] == [True, False]
    assert len(events.entries) == 1
