"""An account in trouble is said once, asked seldom and held as long as it wants; the others never notice."""

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import HOUR, MINUTE, PACE, RETRIES, House, connected, new_gate, patterns
from tests.service.tracking_kit import (
    ALWAYS,
    BESIDE,
    BYSTANDER,
    SUBJECT,
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
    work,
)

from orderwatch.core.model import DeliveryState
from orderwatch.errors import UnavailableError
from orderwatch.service.account_breaker import AccountBreaker

EVERY = MINUTE
PATTERN = patterns(project_name="*")
TROUBLE = "account."
NOWHERE = "http://127.0.0.1:1"
DEAF = fault("captures", "status", **ALWAYS)


async def restarted(h: House) -> AccountBreaker:
    """The gate of a new process."""
    kept = await h.store.accounts.states()
    return new_gate(h.store, h.time, trouble=kept["main"].trouble)


def failing(events: LogCapture, name: str = "order.look_failed") -> list[int]:
    """The orders that were said to be in trouble, or well again."""
    return [event["task_id"] for event in events.entries if event["event"] == name]


# Down


async def test_links_that_do_not_come_make_the_poller_find_out_before_others_ask(
    tmp_path: Path, events: LogCapture
) -> None:
    orders = [order(100 + n, captures=[capture(size=6000 + n)]) for n in range(6)]
    async with beside(tmp_path, *orders) as h:
        poller, breaker = as_daemon(h, PATTERN), h.tools["main"].breaker
        await poller.sweep()
        h.forget_links()
        h.simulator.outage = True
        await work(h)
        assert breaker.is_suspect
        assert len(await h.store.deliveries.in_states(DeliveryState.WAITING)) == 2
        h.time.move(timedelta(seconds=5))
        await poller.sweep()
        assert (breaker.is_open, breaker.is_suspect) == (True, False)
        h.simulator.outage = False
        await live(h, poller, BESIDE, step=MINUTE)
        assert heard(events, TROUBLE) == ["account.unavailable", "account.recovered"]
        for n in range(6):
            assert await stored(h, 100 + n)


async def test_an_account_that_answers_is_doubted_for_a_moment_only(
    tmp_path: Path, events: LogCapture
) -> None:
    async with beside(tmp_path, course(SUBJECT)) as h:
        poller, breaker = as_daemon(h, PATTERN), h.tools["main"].breaker
        await live(h, poller, BESIDE)
        doubts = list[bool]()
        for hears in (
            breaker.on_link_failure,
            breaker.on_link_success,
            breaker.on_link_failure,
            breaker.on_link_failure,
        ):
            hears()
            doubts.append(breaker.is_suspect)
        await poller.sweep()
        assert [*doubts, breaker.is_suspect] == [False, False, False, True, False]
        assert not heard(events, TROUBLE)


async def test_an_outage_of_hours_is_said_twice_and_costs_few_requests(
    tmp_path: Path, events: LogCapture
) -> None:
    async with beside(tmp_path, course(SUBJECT)) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, MINUTE, step=EVERY)
        h.simulator.outage = True
        before = len(h.simulator.journal)
        await live(h, poller, 2 * HOUR, step=EVERY)
        assert 16 <= len(h.simulator.journal) - before <= 40
        assert heard(events, TROUBLE) == ["account.unavailable"]
        h.simulator.outage = False
        await live(h, poller, BESIDE, step=EVERY)
        assert heard(events, TROUBLE) == ["account.unavailable", "account.recovered"]
        for task_id in (SUBJECT, BYSTANDER):
            await assert_unharmed(h, task_id, disturbed=True)
        assert not heard(events, "order.look_", "list.")


async def test_a_restart_in_an_outage_asks_no_sooner_and_does_not_say_it_again(
    tmp_path: Path, events: LogCapture
) -> None:
    async with beside(tmp_path) as h:
        h.simulator.outage = True
        await live(h, as_daemon(h, PATTERN), HOUR, step=EVERY)
        breaker = await restarted(h)
        assert breaker.trouble is not None
        assert breaker.blocks_now
        poller, before = as_daemon(h, PATTERN, breaker=breaker), len(h.simulator.journal)
        await live(h, poller, breaker.trouble.until - h.time.now(), step=timedelta(seconds=5))
        assert len(h.simulator.journal) == before
        await live(h, poller, HOUR, step=EVERY)
        assert 10 <= len(h.simulator.journal) - before <= 20
        h.simulator.outage = False
        await live(h, as_daemon(h, PATTERN, breaker=await restarted(h)), BESIDE)
        assert heard(events, TROUBLE) == [
            "account.unavailable",
            "account.still_troubled",
            "account.still_troubled",
            "account.recovered",
        ]
        await assert_unharmed(h, disturbed=True)
        assert (await restarted(h)).trouble is None


async def test_a_provider_that_is_not_there_at_the_start_is_asked_often_for_a_minute(
    tmp_path: Path, events: LogCapture
) -> None:
    """A machine that has just booted waits for its own network; a provider that says 503 is there."""
    async with beside(tmp_path) as h, connected(h.simulator, token_url=NOWHERE) as nowhere:
        poller = as_daemon(h, PATTERN, nowhere)
        await live(h, poller, MINUTE, step=timedelta(seconds=1))
        breaker = h.tools["main"].breaker
        assert breaker.trouble is not None
        early = breaker.trouble.failures
        assert early >= 12
        await live(h, poller, 9 * MINUTE, step=timedelta(seconds=5))
        assert breaker.trouble.failures <= early + 8
        await live(h, as_daemon(h, PATTERN), BESIDE)
        assert heard(events, TROUBLE) == ["account.unavailable", "account.recovered"]
        await assert_unharmed(h, disturbed=True)


@pytest.mark.parametrize("restarts", [False, True])
async def test_after_the_first_minute_the_pauses_begin_at_the_shortest(
    tmp_path: Path,
    restarts: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Not at the longest, as though the minute had been an outage of hours; nor after a restart within it."""
    async with beside(tmp_path) as h:
        breaker, pauses = new_gate(h.store, h.time), list[float]()
        for number in range(18):
            if restarts and number == 10:
                breaker = await restarted(h)
            await breaker.on_failure(UnavailableError("no answer", reached=False))
            assert breaker.trouble is not None
            pauses.append((breaker.trouble.until - h.time.now()).total_seconds())
            h.time.seconds += pauses[-1]
        calm = 10 if restarts else 15
        assert max(pauses[:calm]) <= 5
        assert 15 <= pauses[calm] <= 30
        assert 30 <= pauses[calm + 1] <= 60


async def test_a_provider_that_is_down_at_the_start_is_asked_as_seldom_as_ever(tmp_path: Path) -> None:
    async with beside(tmp_path) as h:
        h.simulator.outage = True
        await live(h, as_daemon(h, PATTERN), 10 * MINUTE, step=timedelta(seconds=5))
        assert h.simulator.journal.count() <= 10


# Only half down


@pytest.mark.parametrize("count", [1, pytest.param(8, marks=pytest.mark.long)])
async def test_a_list_that_answers_does_not_flap_with_looks_that_do_not(
    tmp_path: Path, events: LogCapture, count: int
) -> None:
    """Nor with a look at an order whose window is not open yet: it asks nothing, and proves nothing."""
    orders = [order(100 + n, captures=[capture(size=6000 + n)]) for n in range(count)]
    idle = [order(200 + n, status=[[0, "received"]], start=10 * 86400) for n in range(8)]
    async with beside(tmp_path, *orders, *idle, faults=[DEAF]) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, 4 * HOUR, step=15 * MINUTE)
        assert heard(events, TROUBLE) == (["account.unavailable", "account.recovered"] if count > 3 else [])
        assert sorted(failing(events)) == [BYSTANDER, *(100 + n for n in range(count))]
        lie(h)
        await live(h, poller, BESIDE)
        assert heard(events, TROUBLE) == (["account.unavailable", "account.recovered"] if count > 3 else [])
        assert sorted(failing(events, "order.look_restored")) == sorted(failing(events))
        for n in range(count):
            assert await stored(h, 100 + n)
        await assert_unharmed(h, disturbed=True)


async def test_an_archive_that_is_down_stops_neither_new_orders_nor_statuses(
    tmp_path: Path, events: LogCapture
) -> None:
    """And what it held back is fetched within the hour after it."""
    published = [order(100 + n, captures=[capture(size=6000 + n)]) for n in range(5)]
    running = [order(200 + n, status=[[0, "in_progress"], [1800, "completed"]]) for n in range(3)]
    new = order(300, status=[[3600, "received"]])
    async with beside(tmp_path, *published, *running, new, faults=[fault("scenes", "status", **ALWAYS)]) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, 3 * HOUR, step=15 * MINUTE)
        words = {found.task_id: found.status.word for found in await h.store.orders.list_all()}
        assert words == {
            **{100 + n: "in_progress" for n in range(5)},
            **{200 + n: "completed" for n in range(3)},
            300: "received",
            BYSTANDER: "completed",
        }
        assert len(heard(events, "account.unavailable")) <= 1
        lie(h)
        await live(h, poller, BESIDE)
        assert all([await stored(h, 100 + n) for n in range(5)])
        assert len(heard(events, "account.unavailable")) == len(heard(events, "account.recovered"))
        await assert_unharmed(h, disturbed=True)


# Deliveries of a held account


async def test_deliveries_of_a_held_account_wait_and_come_when_it_is_back(tmp_path: Path) -> None:
    async with beside(tmp_path, order(captures=[capture()]), order(42, captures=[capture()])) as h:
        poller = as_daemon(h, PATTERN)
        await poller.sweep()
        assert len(await h.store.deliveries.in_states(DeliveryState.WANTED)) == 2
        h.simulator.outage = True
        h.time.move(PACE.interval)
        await poller.sweep()
        assert h.fetcher._open_accounts() == []
        before = len(h.simulator.journal)
        await work(h)
        assert len(h.simulator.journal) == before
        assert await h.moves(SUBJECT) == ["wanted"]
        h.simulator.outage = False
        await live(h, poller, BESIDE)
        assert h.fetcher._open_accounts() == ["main"]
        assert await h.moves(SUBJECT) == ["wanted", "fetching", "stored"]
        await assert_unharmed(h, disturbed=True)


async def test_an_archive_that_answers_does_not_end_an_outage_of_the_lists(
    tmp_path: Path, events: LogCapture
) -> None:
    """Where trouble lasts the poller alone tries; deliveries under way before it go on after it."""
    orders = [order(100 + n, captures=[capture(size=6000 + n)]) for n in range(4)]
    async with beside(tmp_path, *orders, retries=replace(RETRIES, max_attempts=50)) as h:
        poller = as_daemon(h, PATTERN)
        await poller.sweep()
        lie(h, fault("tasks", "status", **ALWAYS), fault("download", "reset", times=8))
        for _ in range(60):
            h.time.move(MINUTE)
            await work(h)  # a worker may be faster than the list
            await poller.sweep()
        assert heard(events, TROUBLE) == ["account.unavailable"]
        lie(h)
        await live(h, poller, BESIDE)
        assert heard(events, TROUBLE) == ["account.unavailable", "account.recovered"]
        assert all([await stored(h, 100 + n) for n in range(4)])
        await assert_unharmed(h, disturbed=True)


# Refused


async def test_a_refused_account_is_tried_soon_after_a_restart(tmp_path: Path, events: LogCapture) -> None:
    """Who restarts us has probably mended what was refused."""
    async with beside(tmp_path, faults=[fault("tasks", "status", code=403, **ALWAYS)]) as h:
        await live(h, as_daemon(h, PATTERN), HOUR, step=EVERY)
        held = h.tools["main"].breaker.trouble
        assert held is not None
        assert held.refused
        lie(h)
        breaker = await restarted(h)
        assert breaker.trouble is not None
        assert breaker.trouble.until <= h.time.now() + EVERY
        assert breaker.trouble.began_at == held.began_at
        await live(h, as_daemon(h, PATTERN, breaker=breaker), BESIDE, step=EVERY)
        assert heard(events, TROUBLE) == [
            "account.refused",
            "account.still_troubled",
            "account.recovered",
        ]
        await assert_unharmed(h, disturbed=True)


async def test_a_refusal_that_lasts_is_asked_a_few_times_an_hour(tmp_path: Path) -> None:
    async with beside(tmp_path, faults=[fault("tasks", "status", code=403, **ALWAYS)]) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, HOUR, step=EVERY)
        before = h.simulator.journal.count(path="/tasking/tasks/")
        await live(h, poller, 2 * HOUR, step=EVERY)
        assert h.simulator.journal.count(path="/tasking/tasks/") - before <= 2 * 8


@pytest.mark.sqlite  # its thread is held
async def test_a_stop_between_the_word_and_its_row_forgets_no_trouble(
    tmp_path: Path, events: LogCapture
) -> None:
    async with beside(tmp_path) as h:
        breaker = new_gate(h.store, h.time)
        may_end = threading.Event()
        other = asyncio.create_task(h.store.database.write(lambda _: may_end.wait()))
        try:
            poller = asyncio.create_task(breaker.on_failure(UnavailableError("no answer")))
            while "account.unavailable" not in [event["event"] for event in events.entries]:
                await asyncio.sleep(0)
            poller.cancel()
            await asyncio.sleep(0)
        finally:
            may_end.set()
        await asyncio.wait([other, poller])
        kept = await h.store.accounts.states()
        assert kept["main"].trouble == breaker.trouble
