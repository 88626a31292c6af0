"""An empty database at head for each test, on a real file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orderwatch.db.store import Store, open_store
from orderwatch.db.upgrade import upgrade


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What an empty database at head looks like on disk: made once, Alembic is slow to import."""
    made = tmp_path_factory.mktemp("blank") / "orderwatch.db"
    upgrade(made)
    return made.read_bytes()


@pytest.fixture
def database(tmp_path: Path, blank: bytes) -> Path:
    path = tmp_path / "orderwatch.db"
    path.write_bytes(blank)
    return path


@pytest.fixture
async def store(database: Path) -> AsyncIterator[Store]:
    async with open_store(database) as opened:
        yield opened
