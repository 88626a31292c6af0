"""A pause interrupts downloads as a stop does, and keeps back polls; refreshes are answered in their rows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from tests.patience import PATIENCE
from tests.service.fetching.test_service_batches import (
    FETCHING,
    WANTED,
    assert_all_stored,
    fetch_batch,
    requests,
    stac_house,
    states,
    tiles,
)
from tests.service.service_kit import House, house, told

from orderwatch.core.actions.action import Action, ActionKind, RefreshAnswer
from orderwatch.core.model import DeliveryState
from orderwatch.service.actions.watch import ActionWatch
from orderwatch.service.fetching.download_slots import DownloadSlots
from orderwatch.service.wakeup import Wakeup
from orderwatch.simulator import Scenario
from orderwatch.simulator.faults import Faults

STALL = {"on": "download", "kind": "stall", "seconds": 3600, "after": 0, "times": 0}


def action(h: House, kind: ActionKind, account: str | None = None, order_id: str | None = None) -> Action:
    return Action(kind=kind, who="somebody", at=h.time.now(), account=account, order_id=order_id)


def watch(h: House) -> ActionWatch:
    return ActionWatch(h.store, h.controls, [h.todo], now=h.time.now)


@asynccontextmanager
async def working(h: House) -> AsyncIterator[asyncio.Task[None]]:
    stopping = asyncio.Event()
    worker = asyncio.create_task(h.fetcher.work(h.todo, stopping, DownloadSlots(1)))
    yield worker
    stopping.set()
    h.todo.trigger()
    async with asyncio.timeout(PATIENCE):
        await worker


async def until_state(h: House, state: DeliveryState) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await h.the_delivery()).state is not state:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("account", [None, "main"])
async def test_a_pause_frees_the_delivery_at_once_and_the_worker_continues_when_it_ends(
    tmp_path: Path, account: str | None
) -> None:
    scenario = Scenario.model_validate({"orders": [told(41)], "faults": [STALL]})
    async with house(tmp_path, scenario, stall=3600) as h:
        await h.look()
        watching = watch(h)
        await watching.read()
        async with working(h):
            async with asyncio.timeout(PATIENCE):
                while not h.downloads:
                    await asyncio.sleep(0.01)
            assert await h.store.actions.pause(action(h, ActionKind.PAUSE, account)) is None
            await watching.read()
            await until_state(h, WANTED)
            assert await h.fetcher.next() is None
            h.simulator.faults = Faults(())
            ended = await h.store.actions.resume(action(h, ActionKind.RESUME, account))
            assert ended is not None
            await watching.read()
            await until_state(h, DeliveryState.STORED)
        await h.assert_all_stored()


@pytest.mark.parametrize("answered", [0, 3])
async def test_a_paused_batch_leaves_nothing_half(tmp_path: Path, answered: int) -> None:
    fault = {"on": "asset", "kind": "stall", "seconds": 3600, "after": answered, "times": 0}
    async with stac_house(tmp_path, tiles(faults=[fault])) as at:
        running = asyncio.create_task(fetch_batch(at))
        async with asyncio.timeout(PATIENCE):
            while len(requests(at)) <= answered:
                await asyncio.sleep(0.01)
        await at.store.actions.pause(action(at, ActionKind.PAUSE))
        await watch(at).read()
        async with asyncio.timeout(PATIENCE):
            await running
        assert FETCHING not in await states(at)
        await at.assert_sound()
        at.simulator.faults = Faults(())
        await at.store.actions.resume(action(at, ActionKind.RESUME))
        await watch(at).read()
        await at.fetch_all()
        await assert_all_stored(at)


async def test_a_pause_is_one_row_until_it_is_resumed(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario()) as h:
        assert await h.store.actions.pause(action(h, ActionKind.PAUSE)) is None
        known = await h.store.actions.pause(action(h, ActionKind.PAUSE))
        assert known is not None
        assert (await h.store.actions.pauses()).all == [known]
        assert await h.store.actions.resume(action(h, ActionKind.RESUME, "main")) is None
        assert await h.store.actions.resume(action(h, ActionKind.RESUME)) == known
        assert (await h.store.actions.pauses()).all == []


async def test_a_refresh_polls_what_is_not_due_and_is_answered_once(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, Scenario.model_validate({"orders": [told(41), told(42)]})) as h:
        await h.look()
        [number] = await h.store.actions.record([action(h, ActionKind.REFRESH, "main", "41")])
        await h.store.actions.record([action(h, ActionKind.REFRESH, "other")])
        await watch(h).read()
        tick = Wakeup()
        running = asyncio.create_task(h.poller().run(tick))
        async with asyncio.timeout(PATIENCE):
            while (await h.store.actions.get([number]))[0].answer is None:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])
        [done] = await h.store.actions.get([number])
        assert done.answer == RefreshAnswer(polled=1)
        assert h.controls.refreshes_of("main") == []
        await h.store.actions.answer(number, RefreshAnswer(polled=9), h.time.now())
        assert await h.store.actions.get([number]) == [done]


async def test_an_old_refresh_is_not_served_and_old_actions_are_forgotten(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario()) as h:
        [first] = await h.store.actions.record([action(h, ActionKind.REFRESH, "main")])
        h.time.move(timedelta(hours=1))
        await watch(h).read()
        assert h.controls.refreshes_of("main") == []
        h.time.move(timedelta(days=91))
        await h.store.actions.record([action(h, ActionKind.RETRY)])
        assert await h.store.actions.get([first]) == []
