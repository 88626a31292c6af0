"""A page in Debian's Chromium, and what it asked for and complained of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect
from tests.patience import PATIENCE

CHROMIUM = Path("/usr/bin/chromium")
DESK = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=360, height=740)
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Visit:
    page: Page
    base: str
    asked: list[str] = field(default_factory=list)  # addresses
    complaints: list[str] = field(default_factory=list)  # errors of the console, of scripts and of requests

    @property
    def path(self) -> str:
        return self.page.url.removeprefix(self.base)

    async def to(self, path: str) -> None:
        await self.page.goto(self.base + path)

    async def drawn(self) -> None:
        """Until the map shows land and orders; it is folded on a phone."""
        await self.page.evaluate(
            "document.querySelectorAll('#fold').forEach((fold) => { fold.open = true; })"
        )
        await expect(self.page.locator("#map[data-land=drawn][data-drawn]")).to_have_count(1)

    async def next_stop(self) -> str:
        """What the keyboard comes to next, as it is told to those who hear it."""
        await self.page.keyboard.press("Tab")
        told: str = await self.page.evaluate(
            """() => {
              const at = document.activeElement;
              return (at.labels?.[0]?.firstElementChild ?? at).textContent.trim() || at.ariaLabel || at.id;
            }"""
        )
        return told

    async def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        wide: int = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wide


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE * 1000)
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(
    browser: Browser,
    port: int,
    size: ViewportSize | None = None,
    **context: Any,  # noqa: ANN401 - playwright's
) -> AsyncIterator[Visit]:
    opened = await browser.new_context(viewport=size or DESK, **context)
    opened.set_default_timeout(PATIENCE * 1000)
    page = await opened.new_page()
    visit = Visit(page, f"http://127.0.0.1:{port}")
    page.on("request", lambda request: visit.asked.append(request.url))
    page.on("console", lambda said: visit.complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: visit.complaints.append(error.message))
    try:
        yield visit
    finally:
        await opened.close()
