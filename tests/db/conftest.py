from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.logs import events

from orderwatch.db.repositories import Store, open_store

__all__ = ["events", "store"]


@pytest.fixture
async def store(database: Path) -> AsyncIterator[Store]:
    async with open_store(database) as opened:
        yield opened
