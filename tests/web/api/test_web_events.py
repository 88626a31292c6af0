"""What those who look on are told: moves, looks, transfers with their speeds, or that too much was missed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import LogCapture
from tests.db.kit import NOW, a_delivery, a_move, an_order, held, write_from_elsewhere
from tests.logs import events
from tests.web.api_kit import HOSTILE, asked, fill, served, told, viewing
from tests.web.pages.test_web_header import SHORT

from orderwatch.core.attention.concern import Changes
from orderwatch.core.deliveries.state_machine import released
from orderwatch.core.model import DeliveryState
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.history import History
from orderwatch.db.repositories import Store, open_dashboard_reader, open_store
from orderwatch.ports.queries import News
from orderwatch.web.api.change_feed import ChangeEvent, ChangeFeed

__all__ = ["events"]

SECOND = timedelta(seconds=1)
QUEUE = 500  # changes that a listener may be behind


@dataclass
class Scene:
    """The watcher looks once with each `look`; `now` is the time that it goes by."""

    store: Store
    now: datetime = NOW
    changes: ChangeFeed = field(init=False)
    _go: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    _paused: asyncio.Event = field(default_factory=asyncio.Event)

    async def pause(self) -> None:
        self._paused.set()
        await self._go.acquire()

    async def looked(self) -> None:
        """Wait for the end of the look under way."""
        await self._paused.wait()

    async def begin(self) -> None:
        await self.looked()
        self._paused.clear()
        self._go.release()

    async def look(self) -> None:
        await self.begin()
        await self.looked()


@asynccontextmanager
async def looked_at(database: Path) -> AsyncIterator[Scene]:
    async with open_store(database) as store, open_dashboard_reader(database) as gallery:
        scene = Scene(store)
        scene.changes = ChangeFeed(gallery, lambda: scene.now, scene.pause)
        yield scene


def taken(queue: asyncio.Queue[ChangeEvent]) -> list[tuple[str | None, Any]]:
    """Everything that was told since, as event and data."""
    found = [queue.get_nowait() for _ in range(queue.qsize())]
    return [(change.event, json.loads(change.text.partition("data: ")[2])) for change in found]


async def moved(store: Store, after: str, task_id: int = 1) -> None:
    order = await held(store, task_id)
    await store.orders.save(Verdict(order=order, transitions=(a_move(after, task_id),)))


async def test_what_moves_is_sent_as_it_does_and_what_was_missed_first(database: Path) -> None:
    async with served(database) as here:
        await fill(here.store)  # moves 1 and 2
        async with viewing(here.port, last_event_id="1") as viewer:
            missed = await viewer.event()
            assert (missed["id"], json.loads(missed["data"])["account"]) == ("2", HOSTILE)
            await moved(here.store, "completed")
            here.look.set()
            found: dict[str, str] = {}
            while "id" not in found:
                found = await viewer.event()
            assert (found["id"], json.loads(found["data"])["after"]) == ("3", "completed")
            here.look.clear()


async def test_a_stream_begins_once_nothing_is_missed_any_more(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for, given, news = asyncio.Event(), asyncio.Event(), History.news

    async def held_back(*arguments: Any) -> News:  # noqa: ANN401 - as they are
        asked_for.set()
        await given.wait()
        return await news(*arguments)

    monkeypatch.setattr(History, "news", held_back)
    async with served(database) as here, AsyncExitStack() as stack:
        begun = asyncio.create_task(stack.enter_async_context(viewing(here.port)))
        await asked_for.wait()
        for _ in range(100):
            await asyncio.sleep(0)
        assert not begun.done()
        given.set()
        viewer = await begun
        await here.store.orders.save(Verdict(order=an_order(1), transitions=(a_move("received"),)))
        here.look.set()
        assert json.loads((await viewer.event())["data"])["after"] == "received"


async def test_who_missed_too_much_is_told_to_begin_anew(database: Path) -> None:
    async with served(database) as here:
        moves = tuple(a_move(f"word {n}") for n in range(1002))
        await here.store.orders.save(Verdict(order=an_order(1), transitions=moves))
        async with viewing(here.port, "/api/events?after=1") as viewer:
            assert await viewer.event() == {"id": "1002", "event": "lagged", "data": "{}"}
        async with viewing(here.port, "/api/events?after=9999") as viewer:
            assert (await viewer.event())["event"] == "lagged"


async def test_who_lags_is_told_so_and_goes_on_from_there_without_a_gap(database: Path) -> None:
    async with served(database) as here:
        await here.store.orders.save(Verdict(order=an_order(1), transitions=(a_move("first"),)))
        async with viewing(here.port) as viewer:
            moves = tuple(a_move(f"word {n}") for n in range(QUEUE + 1))
            await here.store.orders.save(Verdict(order=await held(here.store), transitions=moves))
            here.look.set()
            last = await viewer.event()
            assert last["event"] == "lagged"
            here.look.clear()
        async with viewing(here.port, last_event_id=last["id"]) as viewer:
            after = [json.loads((await viewer.event())["data"])["after"] for _ in moves]
            assert after == [move.after for move in moves]
            await moved(here.store, "the next one")
            here.look.set()
            assert json.loads((await viewer.event())["data"])["after"] == "the next one"
            here.look.clear()


async def test_who_takes_too_slowly_is_dropped_and_holds_up_nobody(database: Path) -> None:
    async with looked_at(database) as scene:
        await scene.store.orders.save(Verdict(order=an_order(1)))
        async with scene.changes.listening() as slow, scene.changes.listening() as quick:
            for _ in range(2):
                moves = tuple(a_move(f"word {n}") for n in range(QUEUE * 2 // 3))
                await scene.store.orders.save(Verdict(order=await held(scene.store), transitions=moves))
                await scene.look()
                assert [move["after"] for _, move in taken(quick)] == [move.after for move in moves]
            assert taken(slow) == [("lagged", {})]
            await moved(scene.store, "completed")
            await scene.look()
            assert [move["after"] for _, move in taken(quick)] == ["completed"]
            assert taken(slow) == [], "it was told to read everything anew"


async def test_a_bug_in_a_look_is_logged_and_whoever_looks_on_comes_again(
    database: Path, events: LogCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with looked_at(database) as scene:
        with monkeypatch.context() as broken:
            async with scene.changes.listening() as queue:
                await scene.looked()  # the first look would meet the bug before it is told to begin
                broken.setattr("orderwatch.web.api.change_feed.of_move", None)
                await scene.store.orders.save(Verdict(order=an_order(1), transitions=(a_move(),)))
                await scene.begin()
                assert (await queue.get()).event == "lagged"
        assert [entry["event"] for entry in events.entries] == ["http.failed"]
        async with scene.changes.listening() as queue:
            await moved(scene.store, "completed")
            await scene.look()
            assert [move["after"] for _, move in taken(queue)] == ["completed"]


async def test_a_look_that_moved_nothing_is_told_once_and_one_that_did_only_as_a_move(database: Path) -> None:
    async with looked_at(database) as scene:
        for task_id in (1, 2):
            await scene.store.orders.save(Verdict(order=an_order(task_id)))
        async with scene.changes.listening() as queue:
            for task_id, moves in ((1, ()), (2, (a_move("completed", 2),))):
                order = replace(await held(scene.store, task_id), looked_at=NOW)
                await scene.store.orders.save(Verdict(order=order, transitions=moves))
            await scene.look()
            (event, move), touched = taken(queue)
            assert (event, move["order_id"], move["task_id"]) == (None, "2", 2)
            assert touched == ("touched", {"orders": [["main", "1"]]})
            await scene.look()
            assert taken(queue) == []


async def test_a_concern_that_is_raised_or_acknowledged_is_sent_and_makes_pages_new(database: Path) -> None:
    async with looked_at(database) as scene:
        attention = scene.store.attention
        async with scene.changes.listening() as queue:
            before = scene.changes.newest
            await attention.record(Changes(raised=[SHORT]), NOW)
            await scene.look()
            assert taken(queue) == [("attention", {"number": 1})]
            assert scene.changes.newest != before
            assert await attention.recorded() == [SHORT]
            await scene.look()
            assert taken(queue) == []
            await attention.acknowledge([SHORT], [], NOW)
            await scene.look()
            assert taken(queue) == [("attention", {"number": 0})]
            assert await attention.recorded() == []


async def test_transfers_are_told_with_speed_and_time_left_and_that_they_ended(database: Path) -> None:
    async with looked_at(database) as scene:
        coming = a_delivery(state=DeliveryState.FETCHING, durable=0, total=1000)
        await scene.store.orders.save(Verdict(order=an_order(1), wanted=(coming,)))
        async with scene.changes.listening() as queue:
            [(event, first)] = taken(queue)
            assert (event, first["transfers"][0]["bytes_per_second"]) == ("transfers", None)
            await scene.look()
            assert taken(queue) == [], "nothing is new"
            await scene.store.deliveries.checkpoint(coming, 200)
            scene.now += 2 * SECOND
            await scene.look()
            [(_, second)] = taken(queue)
            [transfer] = second["transfers"]
            assert (transfer["bytes"], transfer["bytes_per_second"], transfer["seconds_left"]) == (
                200,
                100,
                8,
            )
            async with scene.changes.listening() as late:
                assert taken(late) == [("transfers", second)], "who comes later knows them at once"
            [row] = (await held(scene.store)).deliveries
            await scene.store.deliveries.save(released(row, NOW))
            await scene.look()
            _, ended = taken(queue)  # after the delivery's move
            assert ended == ("transfers", {"transfers": []})


async def test_what_another_process_writes_is_told_to_all_alike(database: Path) -> None:
    async with (
        looked_at(database) as scene,
        scene.changes.listening() as first,
        scene.changes.listening() as second,
    ):
        assert await asyncio.to_thread(write_from_elsewhere, database) == "written"
        await scene.look()
        told_first = taken(first)
        assert [(move["account"], move["after"]) for _, move in told_first] == [("elsewhere", "x")]
        assert taken(second) == told_first


async def test_nobody_reads_any_more_once_the_last_one_has_left(database: Path) -> None:
    async with looked_at(database) as scene:
        before = asyncio.all_tasks()
        async with scene.changes.listening():
            async with scene.changes.listening():
                await scene.look()
            await scene.look()
            assert len(asyncio.all_tasks() - before) == 1
        assert asyncio.all_tasks() == before
        await scene.store.orders.save(Verdict(order=an_order(1), transitions=(a_move("missed"),)))
        async with scene.changes.listening() as queue:
            await scene.look()
            assert taken(queue) == [], "what moved before is for who asks for it"


async def test_who_asks_again_sees_how_fast_transfers_are_though_nobody_listens(database: Path) -> None:
    now = [NOW]
    async with served(database, lambda: now[0]) as here:
        await fill(here.store)
        coming = (await held(here.store)).deliveries[0]  # 10 of 100
        assert (await told(here.port, "/api/transfers"))["transfers"][0]["bytes_per_second"] is None
        await here.store.deliveries.checkpoint(coming, 40)
        now[0] += 30 * SECOND
        assert (await told(here.port, "/api/transfers"))["transfers"][0]["seconds_left"] == 60
        _, _, page = await asked(here.port, "/")
        assert b"1 B/s, 1 min left" in page
