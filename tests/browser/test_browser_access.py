"""WCAG AA, as far as a program can tell."""

from collections.abc import Mapping
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from tests.browser.visits import Visit

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
    found = await Axe().run(shown.page, options={"runOnly": only, "resultTypes": ["violations"]})
    assert [(v["id"], node["html"]) for v in found.response["violations"] for node in v["nodes"]] == []
