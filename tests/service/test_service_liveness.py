"""Who makes no progress is late; who only waits for others is not."""

import asyncio
from datetime import datetime
from pathlib import Path

from tests.service.service_kit import EVERYTHING, RETRIES, house, told

from orderwatch.service.fetching.download_slots import DownloadSlots
from orderwatch.service.fetching.fetcher import Fetcher
from orderwatch.service.liveness import MAX_SILENCE_SECONDS, Liveness, LoopLag, liveness_limit, why_unhealthy
from orderwatch.service.wakeup import Wakeup
from orderwatch.simulator import Scenario


class Steady:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_a_member_is_late_after_its_time_and_well_again_with_the_next_beat() -> None:
    clock = Steady()
    liveness = Liveness(clock)
    with liveness.worker("poller main", limit=60) as worker:
        clock.at += 60
        assert liveness.late() == []
        clock.at += 1
        assert liveness.late() == ["poller main: no progress since 61 s"]
        worker.progress()
        assert liveness.late() == []


def test_only_who_is_at_work_is_judged() -> None:
    clock = Steady()
    liveness = Liveness(clock)
    worker = liveness.worker("poller main", limit=60)
    clock.at += 1000
    assert liveness.late() == []
    with worker:
        assert liveness.late() == []  # it has just begun
    clock.at += 1000
    assert liveness.late() == []


def test_who_waits_for_others_is_never_late_and_who_reads_much_is_late_later() -> None:
    clock = Steady()
    liveness = Liveness(clock)
    with liveness.worker("worker", limit=60) as worker:
        worker.idle()
        clock.at += 10**6
        assert liveness.late() == []
        worker.expect_bytes(3600 * 10**6)  # an hour at a megabyte a second
        clock.at += 3600
        assert liveness.late() == []
        clock.at += 61
        assert len(liveness.late()) == 1


def test_who_asks_seldom_may_be_silent_for_longer() -> None:
    assert liveness_limit(1000) < MAX_SILENCE_SECONDS + 1
    assert liveness_limit(0.01) > 1000


def test_a_loop_that_was_blocked_is_not_punctual_until_it_is_looked_at_again() -> None:
    clock = Steady()
    loop, liveness = LoopLag(clock), Liveness(clock)
    clock.at += 1.5
    loop.measure()
    assert (loop.lag, loop.late()) == (0.5, [])
    clock.at += 31
    assert why_unhealthy(liveness, loop) == [
        "event loop: 30.0 s behind"
    ]  # as a handler sees it that runs first
    loop.measure()
    assert loop.late() == ["event loop: 30.0 s behind"]
    clock.at += 1
    loop.measure()
    assert loop.late() == []
    assert (loop.take_worst(), loop.take_worst()) == (30.0, 0.0)


async def test_workers_beat_while_the_bell_rings_and_are_late_where_it_does_not(tmp_path: Path) -> None:
    clock = Steady()
    liveness, todo, stopping = Liveness(clock), Wakeup(), asyncio.Event()
    async with house(tmp_path, Scenario(orders=())) as h:
        looked = asyncio.Event()

        def now() -> datetime:
            looked.set()
            return h.time.now()

        fetcher = Fetcher(h.tools, h.store, retries=RETRIES, now=now, rng=h.rng, liveness=liveness)
        working = asyncio.create_task(fetcher.work(todo, stopping, DownloadSlots(1)))
        await looked.wait()
        clock.at += MAX_SILENCE_SECONDS + 1
        assert [reason.split(":")[0] for reason in liveness.late()] == ["worker"]
        looked.clear()
        todo.trigger()
        await looked.wait()
        assert liveness.late() == []
        stopping.set()
        todo.trigger()
        await working
        assert liveness._workers == set()


async def test_every_answer_beats_for_a_poller(tmp_path: Path) -> None:
    clock = Steady()
    liveness = Liveness(clock)
    async with house(tmp_path, Scenario(orders=(told(41),))) as h:
        poller = h.poller(EVERYTHING)
        worker = liveness.worker("poller main")
        for part in (poller, poller._list_sync, poller._order_sync):
            part._worker = worker
        with worker:
            clock.at += MAX_SILENCE_SECONDS + 1
            assert len(liveness.late()) == 1
            await poller.sweep()
            assert liveness.late() == []


async def test_a_poller_that_gets_no_answer_at_all_is_late(tmp_path: Path) -> None:
    clock = Steady()
    liveness = Liveness(clock)
    async with house(tmp_path, Scenario(orders=(told(41),))) as h:
        poller = h.poller(EVERYTHING)
        poller._worker = liveness.worker("poller main")
        h.store.orders.has_ours = asyncio.Event().wait  # type: ignore[method-assign, assignment]  # never comes back
        running = asyncio.create_task(poller.run(Wakeup()))
        await asyncio.sleep(0)
        clock.at += MAX_SILENCE_SECONDS + 1
        assert [reason.split(":")[0] for reason in liveness.late()] == ["poller main"]
        running.cancel()
        await asyncio.wait([running])
        assert liveness.late() == []
