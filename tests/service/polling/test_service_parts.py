"""A capture whose tiles come one by one: polled soon, confirmed once, and not done before."""

from datetime import timedelta
from pathlib import Path

from tests.service.fetching.test_service_batches import ALL, stac_house, tiles
from tests.service.service_kit import DAY, HOUR, MINUTE, PACE, House

from orderwatch.core.model import OrderState
from orderwatch.core.orders.completeness import PARTS_SETTLE, may_get_parts

SEARCH = "/v2/archive/search"


async def step(at: House) -> timedelta:
    """Move to the next poll, and fetch what it finds; returns the time since the beginning."""
    due = (await at.the_order()).next_look_at
    assert due is not None
    at.time.move(max(timedelta(0), due - at.time.now()))
    assert not (await at.poller(ALL).sweep()).problems
    await at.fetch_all()
    return timedelta(seconds=at.time.seconds)


async def test_tiles_that_come_within_minutes_are_found_soon_and_confirmed_by_few_searches(
    tmp_path: Path,
) -> None:
    async with stac_house(tmp_path, tiles(10, tiles={"interval": 120})) as at:
        await at.fetch_all()
        passed = await step(at)
        while len(await at.deliveries()) < 30:
            passed = await step(at)
        assert passed <= 18 * MINUTE + 2 * PACE.interval
        assert may_get_parts((await at.the_order()).captures[0])
        at.simulator.journal.clear()
        settled = passed
        while may_get_parts((await at.the_order()).captures[0]):
            settled = await step(at)
        assert passed + PARTS_SETTLE <= settled <= passed + PARTS_SETTLE + HOUR
        assert at.simulator.journal.count(path=SEARCH) <= 8


async def test_an_order_with_a_tile_at_the_end_of_its_grace_is_done_once_that_is_confirmed(
    tmp_path: Path,
) -> None:
    late = 13.9 * DAY
    async with stac_house(tmp_path, tiles(2, tiles={"interval": late.total_seconds()})) as at:
        await at.fetch_all()
        passed = await step(at)
        while len(await at.deliveries()) < 6:
            passed = await step(at)
        assert passed >= PACE.grace
        assert (await at.the_order()).state is OrderState.SETTLING
        done = passed
        while (await at.the_order()).state is not OrderState.DONE:
            done = await step(at)
        assert passed + PARTS_SETTLE <= done <= passed + PARTS_SETTLE + HOUR
        await at.assert_sound()
