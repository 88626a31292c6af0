"""Items of two captures that no test changes, and the adapter on a server that has them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tests.provider.kit import PLATFORM, Desk
from tests.servers.stac.pgstac import COLLECTIONS, Options, Pgstac, StacServer, serving
from tests.servers.stac.storage import Storage

from orderwatch.core.orders.snapshot import SceneSnapshot
from orderwatch.provider.delivery.assets import AssetReader
from orderwatch.provider.schemas import SchemaReader
from orderwatch.provider.stac.archive import StacArchive
from orderwatch.provider.stac.items import ItemReader
from orderwatch.simulator import Scenario, serve

TAKEN = datetime(2026, 7, 14, 7, 40, 41, tzinfo=UTC)
TARGET = {"type": "Point", "coordinates": [4.0333, 51.9555]}
OUTCOME, NEIGHBOUR = "9d5d1c1e-6a0b-4d58-9a3e-0c1c2f8e7b11", "11111111-6a0b-4d58-9a3e-0c1c2f8e7b11"
TILES, NEIGHBOURS, ASSETS = 120, 30, 7
_VISIBLE_SECONDS = 10.0


def a_capture(capture_id: str, tiles: int, **more: object) -> Mapping[str, object]:
    return {"capture_id": capture_id, "status": [[0.0, "published"]], "tiles": {"count": tiles, **more}}


def a_scenario(*captures: Mapping[str, object], **more: object) -> Scenario:
    """One order; the archive writes nine digits, checksums and sizes."""
    order = {"task_id": 1, "order_id": "000383", "target": TARGET, "captures": captures}
    shown = {"archive": {"nine_digits": True}, "assets": {"checksum": True, "file_size": True}}
    return Scenario.model_validate({"orders": [order], **shown, **more})


def documents() -> Sequence[Any]:
    """Make the items of both captures."""

    async def make() -> Sequence[Any]:
        both = a_scenario(a_capture(OUTCOME, TILES), a_capture(NEIGHBOUR, NEIGHBOURS))
        async with serve(both, now=lambda: TAKEN) as simulator:
            return list(Storage("https://assets.example.com").documents(simulator, _VISIBLE_SECONDS))

    return asyncio.run(make())


@dataclass(frozen=True)
class Library:
    """A database with the documents."""

    pgstac: Pgstac
    documents: Sequence[Any]

    def snapshots(self, outcome: str) -> Mapping[str, SceneSnapshot]:
        """Return what the adapter reads in the documents themselves."""
        reader = SchemaReader("main")
        chosen = [one for one in self.documents if one["properties"]["satl:outcome_id"] == outcome]
        scenes = ItemReader(reader, AssetReader("main", reader), COLLECTIONS).read("items", chosen)
        return by_id(scene.to_snapshot() for scene in scenes.values())


def by_id(scenes: Iterable[SceneSnapshot]) -> Mapping[str, SceneSnapshot]:
    """Return the scenes with their attachments by name: PostgreSQL keeps no order of keys."""
    return {
        scene.scene_id: replace(scene, attachments=tuple(sorted(scene.attachments, key=lambda a: a.name)))
        for scene in scenes
    }


@asynccontextmanager
async def reading(
    library: Library, options: Options, collections: Sequence[str] = COLLECTIONS
) -> AsyncIterator[tuple[StacServer, StacArchive]]:
    """Run a server of the library, and connect the adapter to it."""
    desk = Desk()
    with serving(library.pgstac, options) as server:
        access = replace(PLATFORM, archive_url=server.search_url, collections=tuple(collections))
        async with desk.connect(access) as connection:
            yield server, StacArchive(connection.http, SchemaReader("main"), desk.monotonic)
