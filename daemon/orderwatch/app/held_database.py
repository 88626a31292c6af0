"""The database as this process begins with it: locked, and at the head of the schema."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

from orderwatch.config import Database
from orderwatch.db.lock import database_lock
from orderwatch.db.migrate import Schema, schema_of, upgrade
from orderwatch.errors import BusyError, DatabaseError

log = structlog.get_logger()

_SERVER_RETRY_SECONDS = 1.0


@contextmanager
def held_database(database: Database, *, patient: bool = False) -> Iterator[None]:
    """Lock the database for this process and migrate it. Raises `LockedError` or `DatabaseError`.

    If it is `patient`, wait for a server that is away.
    """
    with database_lock(database.location):
        try:
            _bring_to_head(database)
        except BusyError as error:
            if not (patient and database.is_shared):
                raise
            _bring_to_head_later(database, error)
        yield


def _bring_to_head(database: Database) -> None:
    if schema_of(database.location, thorough=True) is not Schema.CURRENT:
        if database.migrate == "manual":
            raise DatabaseError(f"{database.location} has an older schema; run: orderwatch migrate")
        upgrade(database.location)


def _bring_to_head_later(database: Database, error: BusyError) -> None:
    """Wait for the server, without end."""
    log.error("database.busy", reason=str(error))
    began = time.monotonic()
    while True:
        time.sleep(_SERVER_RETRY_SECONDS)
        with suppress(BusyError):
            _bring_to_head(database)
            break
    log.info("database.free", lasted_seconds=round(time.monotonic() - began))
