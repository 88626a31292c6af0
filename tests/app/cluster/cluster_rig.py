"""Several daemons as processes: one provider, one database, one tree."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text
from tests import forks
from tests.app.app_rig import Rig
from tests.app.cluster.trees import Tree
from tests.forks import Running
from tests.patience import PATIENCE

from orderwatch.core.database_location import DatabaseLocation, PostgresServer
from orderwatch.db.repositories import open_reader
from orderwatch.simulator.scenario import Capture, Order, Scenario, Scene
from orderwatch.simulator.server import Simulator

LEASE_SECONDS = 4.0


class Host(NamedTuple):
    name: str
    process: Running
    log: Path


class Cluster(Rig):
    """Hosts with one configuration."""

    def __init__(
        self,
        folder: Path,
        simulator: Simulator,
        forks: Path,
        database: DatabaseLocation,
        tree: Tree,
    ) -> None:
        super().__init__(folder, simulator, forks)
        self.database = database
        self.delivered = tree
        self.environment = {
            "ORDERWATCH_CLUSTER__LEASE": f"{LEASE_SECONDS:.0f}s",
            "ORDERWATCH_DELIVERY__ROOT": tree.root,
            "ORDERWATCH_HTTP__LISTEN": "",
        }
        if isinstance(database, PostgresServer):
            self.environment["ORDERWATCH_DATABASE__URL"] = str(database)

    async def host(self, name: str) -> Host:
        """Start a daemon as this host."""
        assert self._forks is not None
        log = self.folder / f"{name}.log"
        asked = forks.Asked(
            arguments=["--config", str(self.config), "run"],
            out=str(log),
            err=str(log),
            environment={**self.environment, "ORDERWATCH_CLUSTER__HOST": name},
        )
        log.touch()
        process = await forks.start(self._forks, asked)
        self._running.append(process)
        return Host(name, process, log)

    async def until_logged(self, host: Host, *events: str) -> None:
        """Wait until this host has logged all of these events."""
        async with asyncio.timeout(PATIENCE):
            while not all(f'"{event}"' in host.log.read_text(encoding="utf-8") for event in events):
                await asyncio.sleep(0.05)

    async def until_downloads(self, count: int) -> None:
        """Wait until so many downloads were requested."""
        async with asyncio.timeout(PATIENCE):
            while self.simulator.journal.count(listener="download") < count:
                await asyncio.sleep(0.01)

    async def times_stored(self) -> Sequence[str]:
        """The scene of each change to `stored` in the history."""
        query = text("SELECT scene_id FROM transitions WHERE after = 'stored'")
        async with open_reader(self.database) as reader:
            return [row["scene_id"] for row in await reader.database.rows(query)]


def scenes(count: int, size: int, rate: str) -> Scenario:
    """One order whose scenes arrive at this rate each."""
    captures = [Capture(status=((0, "published"),), scenes=(Scene(size=size),)) for _ in range(count)]
    order = Order(task_id=7, status=((0, "in_progress"),), captures=tuple(captures))
    return Scenario.model_validate({"orders": (order,), "downloads": {"rate": rate}})
