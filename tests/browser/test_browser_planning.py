"""Queue and agenda in a browser: readable for everybody, wide enough, and live."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect
from tests.browser.test_browser_access import COLOURS, RULES
from tests.browser.visits import DESK, PHONE, visiting
from tests.browser.world import OVERVIEW
from tests.core.agenda.agenda_kit import DAY, a_capture, dated
from tests.db.kit import MINUTE, NOW, a_delivery, a_move, an_order
from tests.web.api_kit import served

from orderwatch.core.cluster.hosts import HostReport, HostState
from orderwatch.core.deliveries.bandwidth import Allowance
from orderwatch.core.model import DeliveryState
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.queue.report import Limits
from orderwatch.db.repositories import Store

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]
LIMITS = Limits({"main"}, 4, Allowance(5_000_000, NOW + 90 * MINUTE, 0))
PATHS = ["/queue", "/queue?offset=100", "/agenda", "/agenda?day=2026-11-22"]
LONG = "A name without end that nobody would give, but the provider may " * 3


def hosts() -> list[HostReport]:
    def report(name: str) -> HostReport:
        return HostReport(
            host=name, version="1", seen_at=NOW, accounts=["main"], downloads=1, state=HostState.RUNNING
        )

    return [report("north"), report("south")]


async def fill(store: Store) -> None:
    states = (DeliveryState.FETCHING, DeliveryState.WAITING, DeliveryState.PARKED, DeliveryState.WANTED)
    for number in range(1, 40):
        files = [
            a_delivery(
                f"s{n}-{number}", number, state=state, total=10**9, durable=10**8, not_before=NOW + MINUTE
            )
            for n, state in enumerate(states)
        ]
        name = LONG if number == 1 else f"Site {number}"
        order = an_order(number, task_name=name, captures=(a_capture(start=NOW),), start=NOW, end=NOW + DAY)
        await store.orders.save(Verdict(order=order, wanted=tuple(files)))


@pytest.mark.parametrize(("scheme", "only"), [("light", RULES), ("dark", COLOURS)])
async def test_nobody_is_kept_out_and_nothing_is_too_wide(
    database: Path, browser: Browser, scheme: Literal["light", "dark"], only: Mapping[str, object]
) -> None:
    seen = replace(OVERVIEW, hosts=hosts())
    async with served(database, lambda: NOW, seen=seen, limits=LIMITS) as here:
        await fill(here.store)
        for size in (PHONE, DESK):
            async with visiting(browser, here.port, size, color_scheme=scheme) as visit:
                for path in PATHS:
                    await visit.to(path)
                    assert await visit.overflow() == 0
                    options = {"runOnly": only, "resultTypes": ["violations"]}
                    found = (await Axe().run(visit.page, options=options)).response["violations"]
                    assert [(path, v["id"], node["html"]) for v in found for node in v["nodes"]] == []
                assert visit.complaints == []


async def test_queue_and_agenda_follow_what_happens(database: Path, browser: Browser) -> None:
    async with (
        served(database, lambda: NOW, steadily=True) as here,
        visiting(browser, here.port) as queue,
        visiting(browser, here.port) as agenda,
    ):
        await queue.to("/queue")
        await agenda.to("/agenda")
        await expect(queue.page.locator("#queue")).to_contain_text("Every published file is stored.")
        await expect(agenda.page.locator("#agenda")).to_contain_text("Nothing is known for this month")
        planned = dated(a_capture(start=NOW), start=NOW, version=0)
        running = a_delivery(state=DeliveryState.FETCHING, total=10**9, durable=10**8)
        await here.store.orders.save(Verdict(order=planned, wanted=(running,), transitions=(a_move(),)))
        await expect(queue.page.locator("#queue")).to_contain_text("100.0 MB of 1.0 GB")
        await expect(agenda.page.locator("#agenda")).to_contain_text("window opens")


async def test_the_days_of_the_agenda_stay_in_utc_and_a_time_names_the_local_one(
    demonstration: int, browser: Browser
) -> None:
    async with visiting(browser, demonstration, timezone_id="Asia/Kolkata") as visit:
        await visit.to("/agenda")
        time = visit.page.locator("#agenda time").first
        shown = await time.text_content()
        await visit.page.locator("#clock summary").click()
        await visit.page.get_by_label("Local time").check()
        await visit.page.get_by_label("Exact times").check()
        await expect(time).to_have_attribute("title", "2026-11-18 17:30:00 GMT+5:30")
        assert (shown, await time.text_content()) == ("12:00", "12:00")
