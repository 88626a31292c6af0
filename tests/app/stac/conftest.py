from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.app.stac.stac_rig import StacRig, stac_rig

from orderwatch.simulator.scenario import Scenario

StacRigged = Callable[[Scenario], Awaitable[StacRig]]


@pytest.fixture
async def stac_rigged(tmp_path: Path, forks: Path) -> AsyncIterator[StacRigged]:
    async with AsyncExitStack() as stack:

        async def rig_up(told: Scenario) -> StacRig:
            return await stack.enter_async_context(stac_rig(tmp_path, forks, told))

        yield rig_up
