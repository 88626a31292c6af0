"""`make screenshots`: the pictures of docs/. With a folder, every page on desk and phone, light and dark."""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from playwright.async_api import Browser, Page, ViewportSize
from tests.browser.visits import PHONE, chromium, visiting
from tests.browser.world import EMPTY, OVERVIEW, TROUBLED, peopled
from tests.databases import new_database
from tests.db.kit import NOW
from tests.db.many import many
from tests.web.api_kit import Served, served

from orderwatch.core.attention.attention import changes, concerns
from orderwatch.core.attention.concern import Scope
from orderwatch.core.model import OrderState
from orderwatch.core.statistics import Counts
from orderwatch.db.repositories import open_store
from orderwatch.ports.dashboard import Overview
from orderwatch.web.pages.page_renderer import NAVIGATION

_DOCS = Path(__file__).parents[2] / "docs" / "pictures"
_QUALITY_PERCENT = 82  # of WebP: text stays sharp, and a picture is a third of a PNG
_SETTLING_MILLISECONDS = 1500  # until the first news is in, and pictures are there
_EVERYTHING = Scope(accounts=["main"], is_watched=lambda *_: True, knows=lambda *_: False)

Scheme = Literal["light", "dark"]


class Shot(NamedTuple):
    """A page in one form: "board-desk-light"."""

    page: str
    screen: str
    scheme: Scheme

    @property
    def name(self) -> str:
        return "-".join(self)


_SCREENS: Mapping[str, ViewportSize] = {"desk": ViewportSize(width=1280, height=900), "phone": PHONE}
_SCHEMES: tuple[Scheme, ...] = ("light", "dark")
PAGES = {  # of each world
    "demonstration": {
        "board": "/",
        "order": "/orders/main/52102",
        **{entry.here: entry.path for entry in NAVIGATION if entry.here != "orders"},
    },
    "trouble": {"trouble": "/", "failed": "/orders/main/17", "missing": "/orders/main/9999"},
    "empty": {"empty": "/"},
}
_FORMS_IN_DOCS = {
    *(
        (page, "desk", "light")
        for page in ("board", "trouble", "empty", "order", "queue", "agenda", "gallery")
    ),
    ("board", "desk", "dark"),
    ("order", "phone", "dark"),
    ("board", "phone", "light"),
}


@asynccontextmanager
async def world(name: str, folder: Path) -> AsyncIterator[Served]:
    """Serve a simulated account: the demonstration's, one with trouble, or one without orders."""
    database = new_database(folder)
    seen = {"demonstration": OVERVIEW, "empty": EMPTY}.get(name)
    async with served(database, lambda: NOW, seen=seen or await _troubled(database)) as here:
        if name == "demonstration":
            await peopled(here.store, folder, scenic=True)
        yield here


async def _troubled(database: Path) -> Overview:
    """Seven of three hundred orders need a person, and so does an account."""
    async with open_store(database) as store:
        await many(store, NOW)
        evidence = await store.attention.evidence(NOW)
        found = concerns(evidence, NOW, _EVERYTHING)
        await store.attention.record(changes(found, evidence.raised), NOW)
    attention = [TROUBLED.attention[0], *found]
    counts = Counts(orders={OrderState.OPEN: 199})
    return replace(OVERVIEW, accounts=TROUBLED.accounts, attention=attention, counts=counts)


async def draw(folder: Path, kind: str, shots: Iterable[Shot]) -> None:
    """Write these shots; `kind` is png or webp."""
    async with chromium() as browser:
        for name, pages in PAGES.items():
            with TemporaryDirectory() as kept:
                async with world(name, Path(kept)) as here:
                    for shot in (shot for shot in shots if shot.page in pages):
                        await _draw(
                            browser, here.port, pages[shot.page], shot, folder / f"{shot.name}.{kind}"
                        )


async def _draw(browser: Browser, port: int, path: str, shot: Shot, to: Path) -> None:
    form = {"color_scheme": shot.scheme, "device_scale_factor": 2 if shot.screen == "phone" else 1}
    async with visiting(browser, port, _SCREENS[shot.screen], reduced_motion="reduce", **form) as visit:
        await visit.to(path)
        await visit.page.wait_for_timeout(_SETTLING_MILLISECONDS)
        taken = await _picture(visit.page, to.suffix[1:])
    await asyncio.to_thread(to.write_bytes, taken)


async def _picture(page: Page, kind: str) -> bytes:
    devtools = await page.context.new_cdp_session(page)
    quality = {} if kind == "png" else {"quality": _QUALITY_PERCENT}
    taken = await devtools.send("Page.captureScreenshot", {"format": kind, **quality})
    return base64.b64decode(taken["data"])


if __name__ == "__main__":
    every = [
        Shot(page, screen, scheme)
        for pages in PAGES.values()
        for page in pages
        for screen in _SCREENS
        for scheme in _SCHEMES
    ]
    if len(sys.argv) > 1:
        asyncio.run(draw(Path(sys.argv[1]), "png", every))
    else:
        asyncio.run(draw(_DOCS, "webp", [shot for shot in every if shot in _FORMS_IN_DOCS]))
