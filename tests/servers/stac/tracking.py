"""A user's machine whose archive is a STAC server of others; orders and captures are simulated."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.app.app_rig import Rig
from tests.patience import PATIENCE
from tests.servers.relay import Relay, relay
from tests.servers.stac.pgstac import Options, Pgstac, StacServer, serving
from tests.servers.stac.storage import Storage, storage

from orderwatch.simulator import Scenario, serve

_WATCH = 'task_name = "*"'
_TABLE = "\n[[watch]]\n"


@dataclass
class Tracking:
    """The daemon, its archive behind a relay, and the storage of the files."""

    rig: Rig
    pgstac: Pgstac
    server: StacServer
    relay: Relay
    storage: Storage

    def configure(self) -> None:
        """Write the configuration; the archive is at another address than the API."""
        self.rig.configure(_WATCH)
        text = self.rig.config.read_text()
        archive = f'archive = "http://127.0.0.1:{self.relay.port}/search"\n'
        self.rig.config.write_text(text.replace(_TABLE, archive + _TABLE, 1))

    def publish(self, at: float) -> int:
        """Bring the database to what the archive shows at that second; return the number of items."""
        documents = list(self.storage.documents(self.rig.simulator, at))
        self.pgstac.load("items", documents)
        return len(documents)

    async def once(self) -> None:
        ended = await self.rig.call("once")
        assert ended.code == 0, ended.err

    async def stored(self, state: str = "stored") -> Mapping[tuple[str, str], bytes]:
        """Return the bytes on disk of all deliveries in a state, by item and asset."""
        found = [d for d in await self.rig.deliveries() if d["state"] == state]
        return {(d["scene_id"], d["name"]): _bytes(self.rig.tree / d["path"]) for d in found}

    async def logged(self, event: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while event not in {line["event"] for line in self.rig.events()}:
                await asyncio.sleep(0.05)

    def repeated(self) -> list[str]:
        """Return the files that were requested more than once."""
        return [path for path, count in self.storage.requests.items() if count > 1]


def _bytes(path: Path) -> bytes:
    return path.read_bytes()


@asynccontextmanager
async def tracking(folder: Path, forks: Path, pgstac: Pgstac, scenario: Scenario) -> AsyncIterator[Tracking]:
    with serving(pgstac, Options()) as server:
        async with (
            serve(scenario) as simulator,
            storage() as files,
            relay(server.port) as passing,
        ):
            rig = Rig(folder, simulator, forks)
            try:
                yield Tracking(rig, pgstac, server, passing, files)
            finally:
                await rig.stop()
