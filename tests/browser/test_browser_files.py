"""Stored files as a browser opens and downloads them."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from tests.browser.visits import Visit, visiting
from tests.databases import new_database
from tests.web.files.files_kit import serving_files, stored

from orderwatch.core.model import Delivery
from orderwatch.simulator.attachments import content
from orderwatch.web.files.routes import file_of

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]
SCRIPT = b"<script>fetch('/api/orders'); document.title = 'it ran'</script>"
CORNERS = [[0, 0], [0, 1], [1, 1], [0, 0]]
ZIP = b"PK" + bytes(3_000_000)


def files(folder: Path) -> Sequence[Delivery]:
    drawn = content("preview", {"scene_id": "scene-1", "footprint": {"coordinates": [CORNERS]}}, 1, 0)
    return (
        stored(folder, "p/scene.zip", ZIP),
        stored(folder, "p/preview.png", drawn.read(0, drawn.size), attachment="preview"),
        stored(folder, "p/page.json", SCRIPT, attachment="metadata"),
        stored(folder, "p/page.html", SCRIPT, attachment="report"),
        stored(folder, "p/page.svg", SCRIPT, attachment="drawing"),
    )


@pytest_asyncio.fixture(loop_scope="session")
async def visit(tmp_path: Path, browser: Browser) -> AsyncIterator[Visit]:
    async with (
        serving_files(new_database(tmp_path), *files(tmp_path)) as here,
        visiting(browser, here.port) as opened,
    ):
        yield opened


@pytest.mark.parametrize("name", ["scene.zip", "page.html", "page.svg"])
async def test_a_file_is_downloaded_under_its_name(visit: Visit, name: str, tmp_path: Path) -> None:
    await visit.to("/orders/main/1")
    async with visit.page.expect_download() as begun:
        await visit.page.get_by_role("link", name=name).click()
    download = await begun.value
    assert download.suggested_filename == name
    await download.save_as(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == (ZIP if name == "scene.zip" else SCRIPT)
    assert visit.path == "/orders/main/1"


async def test_a_picture_is_shown(visit: Visit) -> None:
    await visit.to("/gallery")
    await visit.page.get_by_text("5 files").click()
    await visit.page.get_by_role("link", name="preview", exact=True).click()
    await expect(visit.page.locator("img")).not_to_have_js_property("naturalWidth", 0)
    assert visit.path.startswith("/files/")


async def test_what_a_file_holds_runs_nowhere(visit: Visit, tmp_path: Path) -> None:
    [text] = [file for file in files(tmp_path) if file.attachment == "metadata"]
    await visit.to(file_of(text))
    await expect(visit.page.locator("pre")).to_contain_text("it ran")
    assert await visit.page.title() != "it ran"
    assert [address for address in visit.asked if "/api/" in address] == []
