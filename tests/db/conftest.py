from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orderwatch.db.store import Store, open_store


@pytest.fixture
async def store(database: Path) -> AsyncIterator[Store]:
    async with open_store(database) as opened:
        yield opened
