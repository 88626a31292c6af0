"""The map shows an area across 180 degrees as one area."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Position, expect
from tests.browser.visits import visiting
from tests.db.kit import an_order
from tests.web.api_kit import served

from orderwatch.core.orders.observe import Verdict

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("east", [180.5, -179.5])
async def test_the_map_fits_an_area_across_180_degrees(database: Path, browser: Browser, east: float) -> None:
    """A click in the middle of the map opens the only order."""
    ring = [[179.5, -17], [east, -17], [east, -16], [179.5, -16], [179.5, -17]]
    target = {"type": "Polygon", "coordinates": [ring]}
    async with served(database) as here, visiting(browser, here.port) as visit:
        await here.store.orders.save(Verdict(order=an_order(1, document={"target": target})))
        await visit.to("/")
        await visit.drawn()
        size = await visit.page.locator("#map").bounding_box()
        assert size is not None
        beside = Position(x=size["width"] / 2 + 20, y=size["height"] / 2 + 20)  # not on the seam
        await visit.page.locator("#map").click(position=beside)
        await expect(visit.page).to_have_url(f"{visit.base}/orders/main/1")
        assert visit.complaints == []
