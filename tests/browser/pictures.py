"""`make screenshots`: the pictures of docs/, of the demonstration's orders."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import Browser
from tests.browser.visits import PHONE, chromium, visiting
from tests.browser.world import OVERVIEW, peopled
from tests.databases import new_database
from tests.db.kit import NOW
from tests.web.api_kit import served

_DOCS = Path(__file__).parents[2] / "docs"
_TALL = {"width": 1200, "height": 1000}
_PICTURES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "page-light": ("/", {"size": {"width": 1200, "height": 960}, "color_scheme": "light"}),
    "page-dark": ("/", {"size": {"width": 1200, "height": 960}, "color_scheme": "dark"}),
    "order": ("/orders/main/52102", {"size": _TALL, "color_scheme": "light"}),
    "phone": ("/", {"size": PHONE, "color_scheme": "light", "device_scale_factor": 2}),
}


async def draw(folder: Path) -> None:
    with TemporaryDirectory() as kept:
        database = new_database(Path(kept))
        async with served(database, lambda: NOW, seen=OVERVIEW) as here, chromium() as browser:
            await peopled(here.store, database.parent, scenic=True)
            for name, (path, how) in _PICTURES.items():
                await _draw(browser, here.port, folder / f"{name}.png", path, how)


async def _draw(browser: Browser, port: int, to: Path, path: str, how: Mapping[str, Any]) -> None:
    async with visiting(browser, port, reduced_motion="reduce", **how) as visit:
        await visit.to(path)
        await visit.drawn()
        await visit.page.wait_for_timeout(1500)  # until the first news is in, and pictures are there
        await visit.page.screenshot(path=to, animations="disabled")


if __name__ == "__main__":
    asyncio.run(draw(Path(sys.argv[1]) if len(sys.argv) > 1 else _DOCS))
