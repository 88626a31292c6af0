"""A small HTTP server with the assets of simulated items."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from aiohttp import web
from tests.provider.hosts import Host

from orderwatch.simulator.archive import items
from orderwatch.simulator.archive.tiles import Tile
from orderwatch.simulator.assets.images import Image, content
from orderwatch.simulator.server import Simulator


@dataclass
class Storage:
    """Files by path, and the requests for each."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    newest: dict[tuple[str, str], bytes] = field(default_factory=dict)  # by item and asset

    def documents(self, simulator: Simulator, at: float) -> Iterator[Any]:
        """Yield the items that are visible at that second, and keep their assets."""
        for tile in simulator.index.tiles.values():
            image = tile.image(at)
            if image is not None:
                yield self._document(simulator, tile, image)

    def _document(self, simulator: Simulator, tile: Tile, image: Image) -> Any:  # noqa: ANN401 - JSON
        document = items.item(simulator, tile, image)
        for key, address in zip(document["assets"], cycle(("https", "both", "s3")), strict=False):
            path = f"/{image.run}/{image.bucket_path(key)}"
            found = content(image, key)
            self.files[path] = self.newest[tile.item_id, key] = found.read(0, found.size)
            document["assets"][key] |= _links(address, f"{self.url}{path}", image.s3(key))
        return document

    async def reply(self, request: web.Request) -> web.StreamResponse:
        self.requests[request.path] += 1
        data = self.files.get(request.path)
        return web.Response(status=404) if data is None else web.Response(body=data)


def _links(address: str, http: str, s3: str) -> dict[str, Any]:
    match address:
        case "https":
            return {"href": http, "alternate": {}}
        case "both":
            return {"href": http, "alternate": {"s3": {"href": s3}}}
        case _:
            return {"href": s3, "alternate": {"https": {"href": http}}}


@asynccontextmanager
async def storage() -> AsyncIterator[Storage]:
    here = Storage()
    async with Host(here.reply).serving() as here.url:
        yield here
