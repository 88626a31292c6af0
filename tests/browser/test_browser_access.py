"""WCAG AA, as far as a program can tell."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser
from tests.browser.pictures import PAGES, world
from tests.browser.visits import DESK, PHONE, Visit, visiting

pytestmark = pytest.mark.asyncio(loop_scope="session")
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
COLOURS = {"type": "rule", "values": ["color-contrast"]}


@pytest.mark.parametrize(("scheme", "only"), [("light", RULES), ("dark", COLOURS)])
async def test_nobody_is_kept_out(
    shown: Visit, scheme: Literal["light", "dark"], only: Mapping[str, object]
) -> None:
    await shown.page.emulate_media(color_scheme=scheme)
    ground = await shown.page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
    assert (int(ground) > 127) == (scheme == "light")
    assert await findings(shown, only) == []


@pytest.mark.long
@pytest.mark.parametrize("name", PAGES)
async def test_nobody_is_kept_out_of_any_page_with_every_menu_and_fold_open(
    tmp_path: Path, browser: Browser, name: str
) -> None:
    async with world(name, tmp_path) as here:
        for path, size, scheme in product(PAGES[name].values(), (DESK, PHONE), ("light", "dark")):
            async with visiting(browser, here.port, size, color_scheme=scheme) as visit:
                await visit.to(path)
                await visit.page.evaluate(
                    "for (const fold of document.querySelectorAll('details')) fold.open = true;"
                )
                assert await findings(visit, RULES) == [], (path, size, scheme)
                assert await visit.overflow() == 0, (path, size)
                assert [said for said in visit.complaints if "404" not in said] == [], path


async def findings(visit: Visit, only: Mapping[str, object]) -> list[tuple[str, str]]:
    found = await Axe().run(visit.page, options={"runOnly": only, "resultTypes": ["violations"]})
    return [(v["id"], node["html"]) for v in found.response["violations"] for node in v["nodes"]]
