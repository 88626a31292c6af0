"""Who makes no progress is late; who only waits for others is not."""

import asyncio
from datetime import datetime
from pathlib import Path

from tests.service.service_kit import EVERYTHING, RETRIES, house, told

from orderwatch.service.fetching.download_slots import Turns
from orderwatch.service.fetching.fetcher import Fetcher
from orderwatch.service.liveness import PATIENCE, Pulse, Punctuality, not_sound, patience
from orderwatch.service.wakeup import Bell
from orderwatch.simulator import Scenario


class Steady:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_a_member_is_late_after_its_time_and_well_again_with_the_next_beat() -> None:
    clock = Steady()
    pulse = Pulse(clock)
    with pulse.member("poller main", within=60) as member:
        clock.at += 60
        assert pulse.late() == []
        clock.at += 1
        assert pulse.late() == ["poller main: no progress since 61 s"]
        member.beat()
        assert pulse.late() == []


def test_only_who_is_at_work_is_judged() -> None:
    clock = Steady()
    pulse = Pulse(clock)
    member = pulse.member("poller main", within=60)
    clock.at += 1000
    assert pulse.late() == []
    with member:
        assert pulse.late() == []  # it has just begun
    clock.at += 1000
    assert pulse.late() == []


def test_who_waits_for_others_is_never_late_and_who_reads_much_is_late_later() -> None:
    clock = Steady()
    pulse = Pulse(clock)
    with pulse.member("worker", within=60) as member:
        member.rests()
        clock.at += 10**6
        assert pulse.late() == []
        member.reads(3600 * 10**6)  # an hour at a megabyte a second
        clock.at += 3600
        assert pulse.late() == []
        clock.at += 61
        assert len(pulse.late()) == 1


def test_who_asks_seldom_may_be_silent_for_longer() -> None:
    assert patience(1000) < PATIENCE + 1
    assert patience(0.01) > 1000


def test_a_loop_that_was_blocked_is_not_punctual_until_it_is_looked_at_again() -> None:
    clock = Steady()
    loop, pulse = Punctuality(clock), Pulse(clock)
    clock.at += 1.5
    loop.look()
    assert (loop.lag, loop.late()) == (0.5, [])
    clock.at += 31
    assert not_sound(pulse, loop) == ["event loop: 30.0 s behind"]  # as a handler sees it that runs first
    loop.look()
    assert loop.late() == ["event loop: 30.0 s behind"]
    clock.at += 1
    loop.look()
    assert loop.late() == []
    assert (loop.worst(), loop.worst()) == (30.0, 0.0)


async def test_workers_beat_while_the_bell_rings_and_are_late_where_it_does_not(tmp_path: Path) -> None:
    clock = Steady()
    pulse, todo, stopping = Pulse(clock), Bell(), asyncio.Event()
    async with house(tmp_path, Scenario(orders=())) as h:
        looked = asyncio.Event()

        def now() -> datetime:
            looked.set()
            return h.time.now()

        fetcher = Fetcher(h.tools, h.store, retries=RETRIES, now=now, rng=h.rng, pulse=pulse)
        working = asyncio.create_task(fetcher.work(todo, stopping, Turns(1)))
        await looked.wait()
        clock.at += PATIENCE + 1
        assert [reason.split(":")[0] for reason in pulse.late()] == ["worker"]
        looked.clear()
        todo.ring()
        await looked.wait()
        assert pulse.late() == []
        stopping.set()
        todo.ring()
        await working
        assert pulse._members == set()


async def test_every_answer_beats_for_a_poller(tmp_path: Path) -> None:
    clock = Steady()
    pulse = Pulse(clock)
    async with house(tmp_path, Scenario(orders=(told(41),))) as h:
        poller = h.poller(EVERYTHING)
        member = pulse.member("poller main")
        for part in (poller, poller._lister, poller._looker):
            part._member = member
        with member:
            clock.at += PATIENCE + 1
            assert len(pulse.late()) == 1
            await poller.round()
            assert pulse.late() == []


async def test_a_poller_that_gets_no_answer_at_all_is_late(tmp_path: Path) -> None:
    clock = Steady()
    pulse = Pulse(clock)
    async with house(tmp_path, Scenario(orders=(told(41),))) as h:
        poller = h.poller(EVERYTHING)
        poller._member = pulse.member("poller main")
        h.store.has_ours = asyncio.Event().wait  # type: ignore[method-assign, assignment]  # never comes back
        running = asyncio.create_task(poller.run(Bell()))
        await asyncio.sleep(0)
        clock.at += PATIENCE + 1
        assert [reason.split(":")[0] for reason in pulse.late()] == ["poller main"]
        running.cancel()
        await asyncio.wait([running])
        assert pulse.late() == []
