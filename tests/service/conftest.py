from pathlib import Path

import pytest
from tests.databases import ON_POSTGRES, of_either_engine
from tests.logs import events

from orderwatch.core.database_location import DatabaseLocation

__all__ = ["database", "events"]


def pytest_itemcollected(item: pytest.Item) -> None:
    if ON_POSTGRES and "sqlite" in item.keywords:
        item.add_marker(pytest.mark.skip(reason="it is about the file of SQLite"))


@pytest.fixture
def database(tmp_path: Path) -> DatabaseLocation:
    """An empty database at head."""
    return of_either_engine(tmp_path)
