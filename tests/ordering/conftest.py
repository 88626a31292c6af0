"""The desk is opened once per module; each test has a day of its own at it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.logs import events
from tests.ordering.ordering_kit import Desk, open_desk

__all__ = ["desk", "events", "office"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path_factory.mktemp("office")) as opened:
        yield opened


@pytest.fixture
def desk(office: Desk) -> Desk:
    office.new_day()
    return office
