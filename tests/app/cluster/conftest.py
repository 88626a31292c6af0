from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest
from tests import postgres
from tests.app.cluster.cluster_rig import Cluster
from tests.app.cluster.trees import FolderTree, Tree

from orderwatch.core.database_location import DatabaseLocation
from orderwatch.simulator.scenario import Scenario
from orderwatch.simulator.server import serve


class Clustered(Protocol):
    """Sets up a database and a provider for several hosts; `more` is configuration."""

    def __call__(
        self, scenario: Scenario, more: str = "", database: DatabaseLocation | None = None
    ) -> Awaitable[Cluster]: ...


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """What all hosts deliver to."""
    return FolderTree(tmp_path / "tree")


@pytest.fixture
async def clustered(
    tmp_path: Path, forks: Path, tree: Tree, request: pytest.FixtureRequest
) -> AsyncIterator[Clustered]:
    """Everything ends with the test."""
    async with AsyncExitStack() as stack:

        async def set_up(
            scenario: Scenario, more: str = "", database: DatabaseLocation | None = None
        ) -> Cluster:
            if database is None:
                server: postgres.Server = request.getfixturevalue("server")
                database = server.new_database()
            simulator = await stack.enter_async_context(serve(scenario))
            cluster = Cluster(tmp_path, simulator, forks, database, tree)
            cluster.configure('task_name = "*"', more=more)
            stack.push_async_callback(cluster.stop)
            return cluster

        yield set_up
