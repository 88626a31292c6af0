"""Workers look for work once per ring where there is none, and miss nothing for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.patience import PATIENCE
from tests.service.service_kit import House, house, told

from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.service.fetching.download_slots import DownloadSlots
from orderwatch.simulator import Scenario
from orderwatch.simulator.faults import Fault

WORKERS = 8
ONE = Scenario(orders=(told(41, {"size": 5000}),))


class Claims:
    """Counts those of a real store; `meanwhile` is called once, when one has just found nothing."""

    def __init__(self, h: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = 0
        self.meanwhile: Callable[[], asyncio.Future[None]] | None = None
        self._claim = h.store.deliveries.claim
        monkeypatch.setattr(h.store.deliveries, "claim", self._counted)

    async def _counted(self, *arguments: object, **named: object) -> Delivery | None:
        self.number += 1
        found = await self._claim(*arguments, **named)  # type: ignore[arg-type]  # as they come
        if found is None and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return found


@asynccontextmanager
async def at_work(h: House) -> AsyncIterator[None]:
    slots, stopping = DownloadSlots(WORKERS // 2), asyncio.Event()
    workers = [asyncio.create_task(h.fetcher.work(h.todo, stopping, slots)) for _ in range(WORKERS)]
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def until_asleep(h: House) -> None:
    while len(h.todo.subscribe()._waiters) < WORKERS:
        await asyncio.sleep(0)


async def until(h: House, state: DeliveryState, number: int = 1) -> None:
    while len(await h.store.deliveries.in_states(state)) < number:
        await asyncio.sleep(0.005)


async def test_where_nothing_is_wanted_a_ring_costs_one_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path, ONE) as h:
        claims = Claims(h, monkeypatch)
        async with at_work(h):
            for ring in range(1, 4):
                await until_asleep(h)
                assert claims.number == ring
                h.todo.trigger()
            await until_asleep(h)
            await h.look()
            await until(h, DeliveryState.STORED)


async def test_what_is_wanted_while_a_claim_finds_nothing_is_fetched_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path, ONE) as h:
        claims = Claims(h, monkeypatch)
        claims.meanwhile = lambda: asyncio.ensure_future(h.look())
        async with at_work(h):
            await until(h, DeliveryState.STORED)


async def test_many_that_become_wanted_together_are_fetched_together(tmp_path: Path) -> None:
    scenes = [{"size": 5000 + number} for number in range(WORKERS // 2)]
    drip = Fault(on="download", kind="drip", seconds=600, times=0)
    scenario = Scenario(orders=(told(41, *scenes),), faults=(drip,))
    async with house(tmp_path, scenario, stall=600) as h, at_work(h):
        await until_asleep(h)
        await h.look()
        await until(h, DeliveryState.FETCHING, len(scenes))


async def test_a_link_that_expired_is_renewed_at_once_though_the_others_found_nothing(tmp_path: Path) -> None:
    expire = Fault(on="download", kind="expire")
    async with house(tmp_path, ONE.model_copy(update={"faults": (expire,)})) as h:
        await h.look()
        row = await h.rewrite(await h.the_delivery(), durable=1000, total=5000)
        h.partial(row).write_bytes(b"PK\3\4" + bytes(996))
        async with at_work(h):
            while len(h.downloads) < 2:
                await asyncio.sleep(0.005)
