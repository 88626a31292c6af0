"""Ten thousand orders."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from tests.browser.visits import visiting
from tests.db.kit import MINUTE, NOW, a_move, an_order
from tests.web.api_kit import served

from orderwatch.core.model import Capture, CapturePhase, Order, TrackedStatus
from orderwatch.core.orders.observe import Verdict

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]
MANY = 10_000


def order(number: int) -> Order:
    taken = Capture(
        capture_id=f"{number:08x}-1600-4d61-b877-670f9849d157",
        status=TrackedStatus(word="planned", phase=CapturePhase.PLANNED),
        start=NOW + (number % 5000) * MINUTE,
        satellite_name=f"NewSat-{number % 40}",
    )
    place = {"type": "Point", "coordinates": [number * 0.618 % 1 * 340 - 170, number * 0.414 % 1 * 120 - 60]}
    return an_order(
        number,
        task_name=f"Quay {number}",
        project_name=f"Port {number % 50}",
        start=NOW - 2000 * MINUTE,
        end=NOW + 6000 * MINUTE,
        document={"target": place},
        captures=(taken,),
    )


async def test_ten_thousand_orders_can_be_looked_through(database: Path, browser: Browser) -> None:
    async with served(database) as here, visiting(browser, here.port) as visit:
        orders = [order(number) for number in range(1, MANY + 1)]
        await here.store.maintenance.restore(
            [Verdict(order=o, transitions=(a_move(task_id=o.task_id),)) for o in orders]
        )
        page, rows = visit.page, visit.page.locator("#orders tbody tr")
        for visited in ("first", "second"):
            await visit.to("/")
            painted = await page.evaluate("performance.getEntriesByType('paint')[0].startTime / 1000")
            loaded = await page.evaluate("performance.getEntriesByType('navigation')[0].domComplete / 1000")
            await visit.drawn()
            drawn = await page.evaluate("performance.now() / 1000")
            times = f"painted {painted:.2f} s, complete {loaded:.2f} s, map {drawn:.2f} s"
            print(f"{MANY} orders, {visited} visit: {times}")
        await expect(page.get_by_role("status").first).to_contain_text(f"{MANY} orders")
        for number in (100, 150, 200):  # it goes on as it is scrolled
            await page.mouse.wheel(0, 50_000)
            await expect(rows).to_have_count(number)
        assert len(set(await rows.evaluate_all("rows => rows.map((row) => row.id)"))) == 200
        await page.get_by_label("Search").fill("Quay 9876")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("Port 26")
        await page.get_by_label("Search").fill("")
        await page.get_by_label("Project").select_option("Port 26")
        await expect(page.get_by_role("status").first).to_contain_text("200 orders")
        assert visit.complaints == []
