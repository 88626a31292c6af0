"""What a page asks for where nobody sees it."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from tests.browser.visits import visiting
from tests.db.kit import NOW, a_move, an_order
from tests.web.api_kit import served, viewing

from orderwatch.core.orders.observe import Verdict

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]
HIDE = "Object.defineProperty(document, 'hidden', { get: () => window.unseen ?? false })"
SEEN = "window.unseen = false; document.dispatchEvent(new Event('visibilitychange'))"


async def test_a_page_that_nobody_sees_asks_for_nothing_until_it_is_seen(
    database: Path, browser: Browser
) -> None:
    async with (
        served(database, lambda: NOW, steadily=True) as here,
        viewing(here.port) as other,
        visiting(browser, here.port) as visit,
    ):
        await visit.page.clock.install()
        await visit.page.add_init_script(HIDE)
        await visit.to("/")
        await visit.page.clock.run_for(5_000)
        await visit.page.evaluate("window.unseen = true")
        order = an_order(1, task_name="Quay")
        before = len(visit.asked)
        await here.store.orders.save(Verdict(order=order, transitions=(a_move(),)))
        assert (await other.event())["id"] == "1"
        await visit.page.clock.run_for(120_000)
        assert visit.asked[before:] == []
        await visit.page.evaluate(SEEN)
        await expect(visit.page.locator("#orders tbody")).to_contain_text("Quay")
