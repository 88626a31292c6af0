"""`make screenshots`: the pictures of docs/, of the demonstration's orders."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import Browser
from tests.browser.visits import PHONE, chromium, visiting
from tests.browser.world import OVERVIEW, peopled
from tests.databases import new_database
from tests.db.kit import NOW
from tests.db.many import many
from tests.web.api_kit import served

from orderwatch.core.attention.attention import changes, concerns
from orderwatch.core.attention.concern import Scope
from orderwatch.core.model import OrderState
from orderwatch.core.statistics import Counts
from orderwatch.db.repositories import open_store

_DOCS = Path(__file__).parents[2] / "docs"
_EVERYTHING = Scope(accounts=["main"], is_watched=lambda *_: True, knows=lambda *_: False)
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


async def draw_attention(folder: Path) -> None:
    """Seven of three hundred orders need a person."""
    with TemporaryDirectory() as kept:
        database = new_database(Path(kept))
        async with open_store(database) as store:
            await many(store, NOW)
            evidence = await store.attention.evidence(NOW)
            found = concerns(evidence, NOW, _EVERYTHING)
            await store.attention.record(changes(found, evidence.raised), NOW)
        seen = replace(OVERVIEW, attention=found, counts=Counts(orders={OrderState.OPEN: 199}))
        async with served(database, lambda: NOW, seen=seen) as here, chromium() as browser:
            size = {"size": {"width": 1200, "height": 1250}, "color_scheme": "light"}
            await _draw(browser, here.port, folder / "attention.png", "/", size)


async def _draw(browser: Browser, port: int, to: Path, path: str, how: Mapping[str, Any]) -> None:
    async with visiting(browser, port, reduced_motion="reduce", **how) as visit:
        await visit.to(path)
        await visit.drawn()
        await visit.page.wait_for_timeout(1500)  # until the first news is in, and pictures are there
        await visit.page.screenshot(path=to, animations="disabled")


if __name__ == "__main__":
    to = Path(sys.argv[1]) if len(sys.argv) > 1 else _DOCS
    asyncio.run(draw(to))
    asyncio.run(draw_attention(to))
