import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from tests.browser.visits import CHROMIUM, Visit, chromium, visiting
from tests.browser.world import OVERVIEW, peopled
from tests.databases import new_database
from tests.db.kit import NOW
from tests.web.api_kit import served


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests of a worker; each has a context of its own."""
    if not CHROMIUM.exists():
        missing = f"the pages were not looked at: there is no {CHROMIUM}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demonstration(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    """The port where the demonstration's orders are served, to tests that only read."""
    database: Path = new_database(tmp_path_factory.mktemp("demonstration"))
    async with served(database, lambda: NOW, seen=OVERVIEW, files=True) as here:
        await peopled(here.store, database.parent)
        yield here.port


@pytest_asyncio.fixture(
    scope="session",
    loop_scope="session",
    params=[
        "/",
        "/orders/main/52102",
        "/events",
        pytest.param("/gallery", marks=pytest.mark.long),
        pytest.param("/orders/main/52102/files", marks=pytest.mark.long),
    ],
)
async def shown(request: pytest.FixtureRequest, demonstration: int, browser: Browser) -> AsyncIterator[Visit]:
    """Each of the pages, as it is opened and left alone."""
    async with visiting(browser, demonstration) as visit:
        await visit.to(request.param)
        if await visit.page.locator("#map").count():
            await visit.drawn()
        yield visit
