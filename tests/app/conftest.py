import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.app.app_rig import Rig, Rigged

from orderwatch.simulator.scenario import Scenario
from orderwatch.simulator.server import serve


@pytest.fixture
async def rigged(tmp_path: Path, forks: Path) -> AsyncIterator[Rigged]:
    """Set up a machine with a provider that lives the given scenario; everything ends with the test."""
    async with AsyncExitStack() as stack:

        async def rig_up(scenario: Scenario, clock: Callable[[], float] = time.monotonic) -> Rig:
            simulator = await stack.enter_async_context(serve(scenario, clock=clock))
            rig = Rig(tmp_path, simulator, forks)
            stack.push_async_callback(rig.stop)
            return rig

        yield rig_up
