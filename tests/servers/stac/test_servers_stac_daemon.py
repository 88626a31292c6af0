"""The daemon with a STAC server of others as its archive: each asset is stored once, byte for byte."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.servers.stac.library import ASSETS, NEIGHBOUR, OUTCOME, a_capture, a_scenario
from tests.servers.stac.pgstac import Pgstac
from tests.servers.stac.tracking import Tracking, tracking

pytestmark = pytest.mark.long

Opened = Callable[..., Awaitable[Tracking]]
ACCOUNT = {"delivery_api": ["stac"]}


@pytest.fixture
async def opened(tmp_path: Path, forks: Path, pgstac: Pgstac) -> AsyncIterator[Opened]:
    """Set up a machine whose order has these captures; everything ends with the test."""
    async with AsyncExitStack() as stack:

        async def set_up(*captures: Mapping[str, object]) -> Tracking:
            played = a_scenario(*captures, accounts=[ACCOUNT])
            empty = pgstac.new(f"database_{tmp_path.name}")
            there = await stack.enter_async_context(tracking(tmp_path, forks, empty, played))
            there.configure()
            return there

        yield set_up


async def test_every_asset_is_stored_once(opened: Opened) -> None:
    there = await opened(a_capture(OUTCOME, 120), a_capture(NEIGHBOUR, 5))
    assert there.publish(10) == 125
    await there.once()
    assert len(there.storage.newest) == 125 * ASSETS
    assert await there.stored() == there.storage.newest
    assert there.repeated() == []
    assert there.server.searches() == 2 + 1  # pages of both captures
    there.storage.requests.clear()
    await there.once()
    assert there.storage.requests == {}
    assert await there.stored() == there.storage.newest


async def test_a_replaced_item_is_a_new_version_and_a_new_product_version_stands_beside_it(
    opened: Opened,
) -> None:
    there = await opened(a_capture(OUTCOME, 3, remade=[100], newer=[200]))
    there.publish(10)
    await there.once()
    first = dict(there.storage.newest)
    there.publish(150)
    await there.once()
    remade = dict(there.storage.newest)
    assert remade.keys() == first.keys()
    assert await there.stored() == remade
    assert await there.stored("superseded") == first
    there.publish(250)
    await there.once()
    assert len(there.storage.newest) == 2 * len(remade)
    assert await there.stored() == there.storage.newest
    assert await there.stored("superseded") == first
    assert there.repeated() == []


async def test_a_server_that_stops_between_pages_and_starts_again_costs_no_file(opened: Opened) -> None:
    there = await opened(a_capture(OUTCOME, 120))
    there.publish(10)
    there.relay.at, there.relay.then = 1, there.server.stop
    daemon = await there.rig.start("run")
    await there.logged("order.look_failed")
    assert there.server.searches() == 1
    assert await there.rig.deliveries() == []
    there.server.start()
    there.relay.server_port = there.server.port
    await there.rig.until_stored(120 * ASSETS)
    assert await there.rig.terminated(daemon) == 0
    assert await there.stored() == there.storage.newest
    assert there.repeated() == []
