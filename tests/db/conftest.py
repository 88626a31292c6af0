from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests import postgres
from tests.databases import new_database
from tests.logs import events

from orderwatch.core.database_location import DatabaseLocation
from orderwatch.db.repositories import Store, open_store

__all__ = ["events", "store"]

ENGINES = "sqlite", "postgresql"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Play each test on both engines, but for those that are about the file of SQLite."""
    if "engine" in metafunc.fixturenames:
        of_file = any(metafunc.definition.iter_markers("sqlite"))
        metafunc.parametrize("engine", ENGINES[:1] if of_file else ENGINES, ids=None if of_file else str)


@pytest.fixture
def database(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> DatabaseLocation:
    """An empty database at head."""
    if engine == "sqlite":
        return new_database(tmp_path)
    server: postgres.Server = request.getfixturevalue("server")
    return server.new_database()


@pytest.fixture
async def store(database: DatabaseLocation) -> AsyncIterator[Store]:
    async with open_store(database) as opened:
        yield opened
