"""Times as the viewer chose: relative or exact, in UTC or in local time."""

import pytest
from playwright.async_api import Browser, expect
from tests.browser.visits import DESK, PHONE, visiting

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]


async def test_times_are_local_or_utc_and_exact_by_keyboard_and_the_browser_keeps_it(
    demonstration: int, browser: Browser
) -> None:
    async with visiting(browser, demonstration, timezone_id="Asia/Kolkata") as visit:
        page = visit.page
        await visit.to("/orders/main/52102")
        seen, as_of = page.locator("#title time").first, page.locator("footer time")
        await expect(as_of).to_have_text("2026-11-22 12:00:00 UTC")
        await expect(seen).to_have_text("4 d ago")
        await page.locator("#clock summary").focus()
        await page.keyboard.press("Enter")
        await page.get_by_label("Local time").focus()
        await page.keyboard.press("Space")
        await expect(as_of).to_have_text("2026-11-22 17:30:00 GMT+5:30")
        await expect(page.locator("#clock summary")).to_have_text("Times GMT+5:30")
        await page.get_by_label("Exact times").press("Space")
        await expect(seen).to_have_text("2026-11-18 17:30:00 GMT+5:30")
        await expect(page.locator(".chart text.tick").first).to_have_text("19 Nov 05:30")
        await page.reload()
        await expect(seen).to_have_text("2026-11-18 17:30:00 GMT+5:30")
        await page.locator("#clock summary").click()
        await page.get_by_role("radio", name="UTC").check()
        await expect(seen).to_have_text("2026-11-18 12:00:00 UTC")
        await expect(page.locator(".chart text.tick").first).to_have_text("19 Nov")
        assert visit.complaints == []


async def test_what_a_viewer_opened_stays_open_when_the_page_reads_itself_again(
    demonstration: int, browser: Browser
) -> None:
    async with visiting(browser, demonstration) as visit:
        await visit.to("/orders/main/52102")
        subject = visit.page.locator("#history details").first
        await subject.locator("summary").click()
        async with visit.page.expect_response(lambda answer: answer.url.endswith("/orders/main/52102")):
            await visit.page.evaluate("document.dispatchEvent(new Event('acted'))")
        await visit.page.wait_for_function("performance.getEntriesByType('resource').length > 0")
        await expect(subject).to_have_js_property("open", value=True)


async def test_without_scripts_times_are_utc_and_there_is_no_switch(
    demonstration: int, browser: Browser
) -> None:
    async with visiting(browser, demonstration, java_script_enabled=False) as visit:
        await visit.to("/")
        await expect(visit.page.locator("#clock")).to_be_hidden()
        await expect(visit.page.locator("footer time")).to_have_text("2026-11-22 12:00:00 UTC")


async def test_every_column_with_exact_times_leaves_the_map_and_the_page_as_wide_as_they_are(
    demonstration: int, browser: Browser
) -> None:
    async with visiting(browser, demonstration) as visit:
        await visit.to("/?column=product&column=priority&column=placed&column=end&column=bytes")
        await visit.page.locator("#clock summary").click()
        await visit.page.get_by_label("Exact times").check()
        for size in (DESK, PHONE):
            await visit.page.set_viewport_size(size)
            assert await visit.overflow() == 0
            table, fold = visit.page.locator("#orders"), visit.page.locator("#fold")
            boxes = await table.bounding_box(), await fold.bounding_box()
            assert boxes[0] is not None
            assert boxes[1] is not None
            assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]
