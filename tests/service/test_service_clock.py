"""Whose clock counts: the host's, and the provider's where the host's is wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import DAY, HOUR, MINUTE, House, Time, connected, patterns
from tests.service.tracking_kit import (
    ALWAYS,
    BESIDE,
    SUBJECT,
    TASKS,
    as_daemon,
    assert_unharmed,
    beside,
    capture,
    course,
    fault,
    heard,
    lie,
    live,
    order,
    stored,
)

from orderwatch.service.clock import Clock
from orderwatch.service.polling.poller import Poller

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PATTERN = patterns(project_name="*")
ZERO, SECOND = timedelta(0), timedelta(seconds=1)


@dataclass
class Host:
    """A wall that can be set, and a steady clock that cannot."""

    off: timedelta = ZERO
    passed: timedelta = ZERO
    clock: Clock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = Clock(
            wall=lambda: NOON + self.passed + self.off, steady=lambda: 5000 + self.passed / SECOND
        )

    @property
    def truth(self) -> datetime:
        return NOON + self.passed

    def hear(self, *errors: timedelta) -> None:
        """Answers whose Date is so far from the truth."""
        for error in errors:
            self.clock.on_date(self.truth + error)


def said(events: LogCapture) -> list[str]:
    return heard(events, "clock.")


# By itself


async def test_a_clock_that_heard_nothing_is_the_hosts() -> None:
    assert Host(off=DAY).clock.now() == NOON + DAY


@pytest.mark.parametrize("off", [-3 * HOUR, -400 * DAY, timedelta(seconds=-61)])
async def test_a_host_that_is_behind_is_said_once_and_not_believed(
    off: timedelta, events: LogCapture
) -> None:
    host = Host(off=off)
    for _ in range(20):
        host.hear(ZERO)
        assert host.clock.now() == host.truth
        host.passed += HOUR
    assert said(events) == ["clock.wrong"]
    assert events.entries[0]["ahead_seconds"] == off / SECOND


@pytest.mark.parametrize("behind", [timedelta(seconds=61), 3 * HOUR, 10 * DAY, 400 * DAY])
async def test_a_provider_that_is_behind_is_not_believed_and_this_host_is_not_blamed(
    behind: timedelta, events: LogCapture
) -> None:
    host = Host()
    for _ in range(20):
        host.hear(-behind)
        assert host.clock.now() == host.truth
        assert not host.clock.confirmed  # nothing is forgotten meanwhile
        host.passed += HOUR
    assert said(events) == ["clock.differs"]
    host.hear(*[ZERO] * 5)
    assert said(events) == ["clock.differs", "clock.right"]
    assert host.clock.confirmed


@pytest.mark.parametrize("error", [-10 * DAY, -HOUR, HOUR])
async def test_a_provider_whose_clock_is_set_while_we_work_is_no_fault_of_this_host(
    error: timedelta, events: LogCapture
) -> None:
    host = Host()
    host.hear(*[ZERO] * 5)
    host.passed += HOUR
    host.hear(*[error] * 5)
    assert host.clock.now() == host.truth + max(error, ZERO)
    assert said(events) == ["clock.differs"]


@pytest.mark.parametrize("off", [10 * DAY, -10 * DAY, 400 * DAY])
async def test_a_host_that_is_set_while_we_work_is_wrong_and_not_believed(
    off: timedelta, events: LogCapture
) -> None:
    host = Host()
    host.hear(*[ZERO] * 5)
    host.passed += HOUR
    host.off = off
    host.hear(ZERO)
    assert host.clock.now() == host.truth
    assert host.clock.confirmed
    assert said(events) == ["clock.wrong"]


@pytest.mark.parametrize("off", [ZERO, timedelta(seconds=59), timedelta(seconds=-59)])
async def test_a_host_that_is_about_right_is_believed(off: timedelta, events: LogCapture) -> None:
    host = Host(off=off)
    host.hear(*[ZERO] * 5)
    assert host.clock.now() == host.truth + off
    assert not said(events)


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("odd", [3 * DAY, -3 * DAY])
async def test_one_odd_date_among_five_moves_nothing(place: int, odd: timedelta, events: LogCapture) -> None:
    right, wrong = Host(), Host(off=-6 * HOUR)
    errors = [ZERO] * 5
    errors[place] = odd
    for host in (right, wrong):
        host.hear(*[ZERO] * 5, *errors)
        assert host.clock.now() == host.truth
    assert said(events) == ["clock.wrong"]


async def test_between_two_answers_time_goes_on_by_the_steady_clock_whatever_the_host_does(
    events: LogCapture,
) -> None:
    host = Host()
    host.hear(*[ZERO] * 5)
    for off in (-3 * DAY, 5 * HOUR, 100 * DAY):
        host.passed += HOUR
        host.off = off
        assert host.clock.now() == host.truth
    host.hear(ZERO)
    assert said(events) == ["clock.wrong"]


async def test_a_host_that_is_set_right_is_believed_again_and_it_is_said(events: LogCapture) -> None:
    host = Host(off=-3 * HOUR)
    host.hear(*[ZERO] * 5)
    host.off = ZERO
    assert host.clock.now() == host.truth
    host.hear(ZERO)
    assert said(events) == ["clock.wrong", "clock.right"]
    host.off = -HOUR
    host.hear(ZERO)
    assert said(events) == ["clock.wrong", "clock.right", "clock.wrong"]


async def test_a_provider_whose_clock_wanders_is_followed_after_four_answers() -> None:
    host = Host()
    host.hear(*[ZERO] * 5)
    host.hear(HOUR, HOUR, HOUR)
    assert host.clock.now() == host.truth
    host.hear(HOUR)
    assert host.clock.now() == host.truth + HOUR


# In the house


@asynccontextmanager
async def skewed(h: House, clock: Clock) -> AsyncIterator[Poller]:
    """A daemon that has its time from `clock`, which hears every answer."""
    real = h.time.now
    async with connected(h.simulator, rest=h.time, heard=clock.on_date) as connection:
        h.time.now = clock.now  # type: ignore[method-assign]
        h.tools["main"] = replace(h.tools["main"], now=clock.now)
        yield as_daemon(h, PATTERN, connection)
    h.time.now = real  # type: ignore[method-assign]


def clock_of(time: Time, off: timedelta) -> Clock:
    return Clock(wall=lambda: time.epoch + timedelta(seconds=time.seconds) + off, steady=time.read)


@pytest.mark.parametrize("off", [-5 * HOUR, -300 * DAY])
async def test_a_daemon_on_a_host_that_is_behind_works_by_the_providers_time(
    tmp_path: Path, events: LogCapture, off: timedelta
) -> None:
    async with beside(tmp_path, course(SUBJECT)) as h, skewed(h, clock_of(h.time, off)) as poller:
        await live(h, poller, BESIDE + 5 * MINUTE)
        for task_id in (SUBJECT, 7):
            await assert_unharmed(h, task_id)
        for move in await h.store.history.of_order(str(SUBJECT)):
            assert h.time.epoch <= move.at <= h.time.epoch + 2 * BESIDE
        assert said(events) == ["clock.wrong"]


@pytest.mark.parametrize("off", [5 * HOUR, 300 * DAY])
async def test_a_daemon_on_a_host_that_is_ahead_misses_nothing(
    tmp_path: Path, events: LogCapture, off: timedelta
) -> None:
    async with beside(tmp_path, course(SUBJECT)) as h, skewed(h, clock_of(h.time, off)) as poller:
        await live(h, poller, BESIDE + 5 * MINUTE)
        for task_id in (SUBJECT, 7):
            await assert_unharmed(h, task_id)
        assert said(events) == ["clock.differs"]


@pytest.mark.parametrize("behind", [HOUR, 10 * DAY])
async def test_a_date_that_is_behind_keeps_no_capture_from_being_asked_for(
    tmp_path: Path, events: LogCapture, behind: timedelta
) -> None:
    """By it the window, which opened a minute ago, is far away."""
    opened = order(start=-60.0, captures=[capture((0, "processing"), (1200, "published"))])
    async with (
        beside(tmp_path, opened, date_ahead=-behind / SECOND) as h,
        skewed(h, clock_of(h.time, ZERO)) as poller,
    ):
        await live(h, poller, BESIDE)
        [first, *_] = h.simulator.journal.find(path=f"{TASKS}{SUBJECT}/captures/")
        assert first.at < 300
        assert await stored(h)
        await assert_unharmed(h)
        assert said(events) == ["clock.differs"]
        for move in await h.store.history.of_order(str(SUBJECT)):
            assert h.time.epoch <= move.at <= h.time.epoch + 2 * BESIDE


async def test_answers_of_a_cache_say_nothing_of_the_time(tmp_path: Path, events: LogCapture) -> None:
    opened = order(start=-60.0, captures=[capture((0, "processing"), (1200, "published"))])
    kept = [fault(on, "cached", seconds=864_000, **ALWAYS) for on in ("tasks", "task", "captures", "scenes")]
    async with (
        beside(tmp_path, opened, faults=kept) as h,
        skewed(h, clock_of(h.time, ZERO)) as poller,
    ):
        await live(h, poller, BESIDE)
        assert await stored(h)
        await assert_unharmed(h)
        assert not said(events)


@pytest.mark.parametrize(("ahead", "event"), [(7200.0, "clock.wrong"), (-7200.0, "clock.differs")])
async def test_a_window_opens_no_later_than_the_provider_says(
    tmp_path: Path, events: LogCapture, ahead: float, event: str
) -> None:
    """All its times are by its own clock, which alone is off."""
    opening = order(start=1800.0, status=[[0, "received"]], captures=[capture((1700, "published"))])
    async with (
        beside(tmp_path, opening, clock_ahead=ahead) as h,
        skewed(h, clock_of(h.time, ZERO)) as poller,
    ):
        await live(h, poller, 2 * BESIDE)
        [first, *_] = h.simulator.journal.find(path=f"{TASKS}{SUBJECT}/captures/")
        assert (1500 if ahead > 0 else 0) <= first.at <= 2400
        assert said(events) == [event]
        assert await stored(h)
        await assert_unharmed(h)


async def test_a_pause_until_a_date_counts_from_the_providers_clock(tmp_path: Path) -> None:
    """By the host's, which is five hours behind, it would be five hours long."""
    until = "Sun, 22 Nov 2026 12:20:00 GMT"
    async with beside(tmp_path) as h, skewed(h, clock_of(h.time, -5 * HOUR)) as poller:
        lie(h, fault("tasks", "status", code=429, retry_after=until))
        await live(h, poller, 30 * MINUTE, step=MINUTE)
        entries = h.simulator.journal.find(path=TASKS)
        assert entries[0].status == 429
        assert 1200 <= entries[1].at <= 1200 * 1.1 + 60
        await live(h, poller, BESIDE)
        await assert_unharmed(h, disturbed=True)


async def test_a_host_that_is_set_while_we_work_moves_no_look(tmp_path: Path, events: LogCapture) -> None:
    off = ZERO
    async with beside(tmp_path, course(SUBJECT)) as h:
        clock = Clock(wall=lambda: h.time.epoch + timedelta(seconds=h.time.seconds) + off, steady=h.time.read)
        async with skewed(h, clock) as poller:
            await live(h, poller, 20 * MINUTE)
            off = 3 * DAY
            await live(h, poller, 20 * MINUTE)
            off = -3 * DAY
            await live(h, poller, 20 * MINUTE)
            off = ZERO
            await live(h, poller, 20 * MINUTE)
            assert said(events) == ["clock.wrong", "clock.right"]
            for task_id in (SUBJECT, 7):
                await assert_unharmed(h, task_id)
