"""The pages as a browser shows them."""

import pytest
from playwright.async_api import Browser, expect
from tests.browser.visits import DESK, PHONE, Visit, visiting

pytestmark = pytest.mark.asyncio(loop_scope="session")
ORDER = "/orders/main/52102"


async def test_a_page_asks_no_other_host_complains_of_nothing_and_fits(shown: Visit) -> None:
    assert {address.startswith(shown.base + "/") for address in shown.asked} == {True}
    assert shown.complaints == []
    for size in (PHONE, DESK):
        await shown.page.set_viewport_size(size)
        assert await shown.overflow() == 0


async def test_the_map_shows_land_and_every_place_and_a_click_opens_the_order(
    demonstration: int, browser: Browser
) -> None:
    async with visiting(browser, demonstration) as visit:
        await visit.to("/?text=Maasvlakte")
        await visit.drawn()
        land, sea = await visit.page.evaluate(
            """() => {
              const canvas = document.querySelector('.leaflet-land-pane canvas');
              const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
              const drawn = data.filter((value, n) => n % 4 === 3 && value > 0).length;
              return [drawn, data.length / 4 - drawn];
            }"""
        )
        assert land > 10_000
        assert sea > 10_000
        await visit.page.locator("#map").click()  # the only order is in its middle
        await expect(visit.page).to_have_url(f"{visit.base}/orders/main/52101")


async def test_lines_of_time_are_drawn(shown: Visit) -> None:
    lines = shown.page.locator("svg[role=img]")
    assert await lines.count() == {"/": 5, ORDER: 1}.get(shown.path, 0)
    for part in await lines.locator(".window, .mark").all():
        box = await part.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 3


async def test_pictures_that_were_delivered_are_shown(shown: Visit) -> None:
    pictures = shown.page.locator(".pictures img, .scenes img")
    assert await pictures.count() == {ORDER: 4, "/gallery": 4}.get(shown.path, 0)
    for picture in await pictures.all():
        await picture.scroll_into_view_if_needed()
        await expect(picture).not_to_have_js_property("naturalWidth", 0)


async def test_without_scripts_the_pages_say_the_same_and_the_table_is_searched_and_sorted(
    demonstration: int, browser: Browser
) -> None:
    async with visiting(browser, demonstration, java_script_enabled=False) as visit:
        for path, told in (("/", "in_progress"), (ORDER, "Timeline"), ("/events", "captured")):
            await visit.to(path)
            assert await visit.page.locator('noscript meta[http-equiv="refresh"]').count() == 1
            await expect(visit.page.locator("main")).to_contain_text(told)
        rows = visit.page.locator("#orders tbody tr")
        await visit.to("/")
        await visit.page.get_by_label("Search").fill("port of")
        await visit.page.get_by_role("button", name="Show").click()
        await expect(rows).to_have_count(3)
        await visit.page.get_by_role("link", name="Order", exact=True).click()
        await expect(rows.first).to_contain_text("Breakwater")
        await expect(rows).to_have_count(3)


async def test_the_keyboard_reaches_everything_and_a_slash_the_search(
    demonstration: int, browser: Browser
) -> None:
    async with visiting(browser, demonstration) as visit:
        await visit.to("/")
        await visit.drawn()
        stops = [await visit.next_stop() for _ in range(30)]
        assert stops[0] == "Skip to the content"
        wanted = ["Events", "Search", "Project", "Columns", "all", "State", "Timeline", "Breakwater"]
        assert [stop for stop in stops if stop in wanted] == wanted
        await visit.page.keyboard.press("/")
        await expect(visit.page.get_by_label("Search")).to_be_focused()


async def test_columns_that_were_chosen_are_kept_by_the_browser_and_sort_in_the_address(
    demonstration: int, browser: Browser
) -> None:
    async with visiting(browser, demonstration) as visit:
        await visit.to("/")
        await visit.page.get_by_text("Columns", exact=True).click()
        await visit.page.get_by_label("Priority").check()
        await expect(visit.page.get_by_role("columnheader", name="Priority")).to_be_visible()
        await visit.to("/")
        await visit.page.get_by_role("link", name="Priority").click()
        await expect(visit.page).to_have_url(f"{visit.base}/?sort=priority&descending=yes&column=priority")
