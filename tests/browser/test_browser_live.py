"""What moves in the database moves on the page."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from tests.browser.visits import Visit, visiting
from tests.browser.world import OVERVIEW, peopled
from tests.db.kit import NOW, a_move, held
from tests.patience import PATIENCE
from tests.web.api_kit import Served, served

from orderwatch.core.model import CapturePhase, OrderPhase, Subject, TrackedStatus
from orderwatch.core.orders.observe import Verdict

pytestmark = pytest.mark.asyncio(loop_scope="session")
ORDER = 52101


@asynccontextmanager
async def watched(database: Path, browser: Browser) -> AsyncIterator[tuple[Served, Visit]]:
    async with served(database, lambda: NOW, seen=OVERVIEW, steadily=True) as here:
        await peopled(here.store, database.parent)
        async with visiting(browser, here.port, {"width": 1000, "height": 420}) as visit:
            yield here, visit


async def published(here: Served) -> None:
    """The capture that was planned, and with it the order."""
    order = await held(here.store, ORDER)
    first, planned = order.captures
    moved = replace(planned, status=TrackedStatus(word="published", phase=CapturePhase.PUBLISHED))
    after = replace(
        order,
        status=TrackedStatus(word="completed", phase=OrderPhase.COMPLETED),
        captures=(first, moved),
    )
    move = a_move("published", ORDER, subject=Subject.CAPTURE, capture_id=planned.capture_id)
    await here.store.orders.save(Verdict(order=after, transitions=(move,)))


async def test_a_move_shows_without_a_reload_and_leaves_the_viewer_where_he_was(
    database: Path, browser: Browser
) -> None:
    async with watched(database, browser) as (here, visit):
        page = visit.page
        await visit.to("/?project=Port+of+Rotterdam")
        await visit.drawn()
        rows = page.locator("#orders tbody tr")
        await expect(rows).to_have_count(1)
        await page.get_by_label("Project").select_option("")
        await expect(rows).to_have_count(5)
        await page.get_by_label("Search").press_sequentially("port")
        await expect(rows).to_have_count(3)
        await expect(page.locator("#map")).to_have_attribute(
            "data-drawn", "5"
        )  # three targets, two footprints
        await page.evaluate("scrollTo(0, 500)")
        await page.evaluate("window.kept = document.querySelectorAll('#orders tr:last-child, #map canvas')")
        top = await page.evaluate("scrollY")
        assert top > 100
        row = rows.filter(has_text="Maasvlakte")
        await expect(row).to_contain_text("in_progress")
        async with page.expect_request(lambda request: "/map.json" in request.url):
            await published(here)
        await expect(row).to_contain_text("completed", timeout=PATIENCE * 1000)
        assert await page.evaluate("scrollY") == top
        assert await page.evaluate("[...kept].map((node) => node.isConnected)") == [True, True, True, True]
        await expect(page.get_by_label("Search")).to_be_focused()
        await expect(page.get_by_label("Search")).to_have_value("port")
        await expect(rows).to_have_count(3)
        assert visit.complaints == []


@pytest.mark.long
async def test_a_page_whose_events_are_refused_asks_for_them_again(database: Path, browser: Browser) -> None:
    async with watched(database, browser) as (here, visit):
        page = visit.page
        await page.clock.install()
        await page.route("**/api/events", lambda route: route.fulfill(status=503), times=1)
        await visit.to("/")
        await expect(page.locator("#link")).to_contain_text("does not answer")
        async with page.expect_response("**/api/events"):
            await page.clock.run_for(10_000)
        await expect(page.locator("#link")).to_be_hidden()
        await published(here)
        row = page.locator("#orders tbody tr").filter(has_text="Maasvlakte")
        async with asyncio.timeout(PATIENCE):
            while "completed" not in await row.inner_text():
                await page.clock.run_for(1000)


@pytest.mark.long
@pytest.mark.parametrize("path", ["/", f"/orders/main/{ORDER}", "/events"])
async def test_how_soon_a_move_shows(database: Path, browser: Browser, path: str) -> None:
    async with watched(database, browser) as (here, visit):
        await visit.to(path)
        await expect(visit.page.locator("main")).to_contain_text(
            "Maasvlakte" if path != "/events" else "planned"
        )
        await visit.page.wait_for_timeout(1500)  # until the page listens
        order = await held(here.store, ORDER)
        place = {
            "/": visit.page.locator("#orders tbody tr").filter(has_text="Maasvlakte"),
            "/events": visit.page.locator(".moves li").first,
        }.get(path, visit.page.locator(".capture").nth(1))
        text = {"/": "completed", "/events": order.captures[1].capture_id[:8]}.get(path, "published")
        begun = time.monotonic()
        await published(here)
        await expect(place).to_contain_text(text, timeout=PATIENCE * 1000)
        print(f"{path}: a move shows after {time.monotonic() - begun:.2f} s")
