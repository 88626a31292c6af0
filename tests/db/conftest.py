from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests import postgres
from tests.databases import new_database
from tests.logs import events

from orderwatch.core.database_location import DatabaseLocation
from orderwatch.db.repositories import Store, open_store

__all__ = ["events", "store"]

OFTEN_ON_BOTH = {"test_db_claims", "test_db_intents", "test_db_outbox", "test_db_shifts", "test_db_leases"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Play each test on both engines, but for those that are about the file of SQLite.

    Outside the sweep PostgreSQL has those of the modules where the engines differ most.
    """
    if "engine" in metafunc.fixturenames:
        of_file = any(metafunc.definition.iter_markers("sqlite"))
        is_quick = metafunc.module.__name__.rpartition(".")[2] in OFTEN_ON_BOTH
        other = pytest.param("postgresql", marks=() if is_quick else pytest.mark.long)
        metafunc.parametrize(
            "engine", ["sqlite"] if of_file else ["sqlite", other], ids=None if of_file else str
        )


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
