"""An empty database at head, made once per process: the migrations take a while.

`TEST_ENGINE=postgresql` plays the tests of the services on PostgreSQL.
"""

import os
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from tests import postgres

from orderwatch.core.database_location import DatabaseLocation
from orderwatch.db.migrate import upgrade

ON_POSTGRES = os.environ.get("TEST_ENGINE", "sqlite") == "postgresql"


_running = ExitStack()


@cache
def blank() -> bytes:
    """What it looks like on disk."""
    with tempfile.TemporaryDirectory(prefix="orderwatch-") as folder:
        made = Path(folder, "orderwatch.db")
        upgrade(made)
        return made.read_bytes()


def new_database(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "orderwatch.db"
    path.write_bytes(blank())
    return path


@cache
def server() -> postgres.Server:
    """The server of this process."""
    return _running.enter_context(postgres.running())


def stop_server() -> None:
    """Stop the server, if there is one, when the tests are done."""
    _running.close()


def of_either_engine(folder: Path) -> DatabaseLocation:
    """An empty database of the engine that these tests are played on; of SQLite in this folder."""
    if not ON_POSTGRES:
        return new_database(folder)
    folder.mkdir(exist_ok=True)
    return server().new_database()
