"""Logs go nowhere. The desk is opened once per module; each test has a day of its own at it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
import structlog
from structlog.testing import LogCapture
from tests.ordering.ordering_kit import Desk, open_desk


@pytest.fixture(autouse=True)
def events() -> Iterator[LogCapture]:
    heard = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[heard])
    yield heard
    structlog.configure(**before)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path_factory.mktemp("office")) as opened:
        yield opened


@pytest.fixture
def desk(office: Desk) -> Desk:
    office.new_day()
    return office
