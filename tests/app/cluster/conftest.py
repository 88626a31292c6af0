from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests import postgres
from tests.app.cluster.cluster_rig import Cluster

from orderwatch.simulator.scenario import Scenario
from orderwatch.simulator.server import serve

Clustered = Callable[[Scenario], Awaitable[Cluster]]


@pytest.fixture
async def clustered(tmp_path: Path, forks: Path, server: postgres.Server) -> AsyncIterator[Clustered]:
    """Set up a database and a provider for several hosts; everything ends with the test."""
    async with AsyncExitStack() as stack:

        async def set_up(scenario: Scenario) -> Cluster:
            simulator = await stack.enter_async_context(serve(scenario))
            cluster = Cluster(tmp_path, simulator, forks, server.new_database())
            cluster.configure('task_name = "*"')
            stack.push_async_callback(cluster.stop)
            return cluster

        yield set_up
