"""So many deliveries at once, and one slow file never holds the others."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.patience import PATIENCE
from tests.service.service_kit import house, told

from orderwatch.core.model import DeliveryState
from orderwatch.service.fetching.download_slots import DownloadSlots
from orderwatch.simulator import Scenario
from orderwatch.simulator.faults import Fault

SLOW = 0.05  # seconds; a window that what is fast does not need


async def in_turn(slots: DownloadSlots, busy: list[int], most: list[int]) -> None:
    async with slots.slot():
        busy.append(1)
        most.append(len(busy))
        await asyncio.sleep(0)
        busy.pop()


async def test_no_more_work_at_once_than_there_are_places() -> None:
    slots, most = DownloadSlots(2), list[int]()
    busy = list[int]()
    await asyncio.gather(*(in_turn(slots, busy, most) for _ in range(9)))
    assert max(most) == 2
    assert len(most) == 9


async def test_a_place_is_lent_once_and_free_again_in_the_end() -> None:
    slots, most = DownloadSlots(1, window=0.001), list[int]()
    busy, lent = list[int](), asyncio.Event()
    async with slots.slot() as slot, slot.release_when_slow(lambda: 0, lent.set):
        await lent.wait()
        await in_turn(slots, busy, most)
    await asyncio.gather(*(in_turn(slots, busy, most) for _ in range(3)))
    assert most == [1, 1, 1, 1]


async def test_who_is_fast_enough_keeps_the_place() -> None:
    asked = 0

    def durable() -> int:
        nonlocal asked
        asked += 1
        return asked * 1000

    slots = DownloadSlots(1, window=0.001, rate=1_000_000)
    async with slots.slot() as slot, slot.release_when_slow(durable, lambda: pytest.fail("it is fast")):
        while asked < 5:
            await asyncio.sleep(0.001)


async def test_one_that_drips_does_not_hold_nine_others(tmp_path: Path, events: LogCapture) -> None:
    drip = Fault.model_validate(
        {"on": "download", "kind": "drip", "match": {"scene_id": "slow"}, "seconds": 600, "times": 0}
    )
    others = [{"scene_id": f"other-{number}", "size": 3000} for number in range(9)]
    scenario = Scenario(orders=(told(41, {"scene_id": "slow"}, *others),), faults=(drip,))
    async with house(tmp_path, scenario, stall=600) as h:
        await h.look()
        slots = DownloadSlots(1, window=SLOW)
        workers = [asyncio.create_task(h.fetcher.work(h.todo, asyncio.Event(), slots)) for _ in range(2)]
        async with asyncio.timeout(PATIENCE):
            while len(await h.store.deliveries.in_states(DeliveryState.STORED)) < len(others):
                await asyncio.sleep(0.01)
        [slow] = await h.store.deliveries.in_states(DeliveryState.FETCHING)
        assert slow.scene_id == "slow"
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        said = [entry["scene_id"] for entry in events.entries if entry["event"] == "download.slow"]
        assert said.count("slow") == 1
