"""The links of one answer serve all scenes of a capture; one that expired meanwhile is no failed attempt."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from tests.patience import PATIENCE
from tests.service.service_kit import House, house, told

from orderwatch.core.model import DeliveryState
from orderwatch.service.fetching.download_slots import DownloadSlots
from orderwatch.simulator import Scenario

SCENES = "/telluric/scenes/"


def requests(h: House) -> int:
    return h.simulator.journal.count(path=SCENES)


@pytest.mark.parametrize("is_polled_just_now", [True, False])
async def test_a_capture_with_twenty_scenes_costs_one_request_of_the_archive(
    tmp_path: Path, *, is_polled_just_now: bool
) -> None:
    """None at all if a poll has just requested the scenes."""
    scenario = Scenario(orders=(told(41, *[{"size": 5000}] * 20),))
    async with house(tmp_path, scenario) as h:
        await h.look()
        if not is_polled_just_now:
            h.forget_links()
        before, stopping, slots = requests(h), asyncio.Event(), DownloadSlots(8)
        workers = [asyncio.create_task(h.fetcher.work(h.todo, stopping, slots)) for _ in range(8)]
        async with asyncio.timeout(PATIENCE):
            while len(await h.store.deliveries.in_states(DeliveryState.STORED)) < 20:
                await asyncio.sleep(0.005)
        stopping.set()
        h.todo.trigger()
        await asyncio.gather(*workers)
        assert requests(h) - before == (0 if is_polled_just_now else 1)
        await h.assert_all_stored()


async def test_a_link_that_expired_before_its_attempt_is_replaced_within_it(tmp_path: Path) -> None:
    orders = (told(41, {"size": 5000}, {"size": 5001}),)
    async with house(tmp_path, Scenario(orders=orders, link_life=30)) as h:
        await h.look()
        await h.fetch()
        h.time.move(timedelta(seconds=31))
        before = requests(h)
        after = await h.fetch()
        assert (after.state, after.attempts, after.attempts_without_progress) == (DeliveryState.STORED, 1, 0)
        assert requests(h) - before == 1
        assert [entry.status for entry in h.downloads] == [200, 403, 200]


async def test_a_link_that_expires_though_it_is_fresh_counts_as_before(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario(orders=(told(41, {"size": 5000}),), link_life=0)) as h:
        await h.look()
        h.forget_links()
        after = await h.fetch()
        assert (after.state, after.attempts_without_progress) == (DeliveryState.WAITING, 1)
        assert [entry.status for entry in h.downloads] == [403]
