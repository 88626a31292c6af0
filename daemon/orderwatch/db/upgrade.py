"""Bringing the database to this code's schema, all or nothing."""

import sqlite3
from enum import Enum, auto
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

import orderwatch
from orderwatch.db.sqlite import inspect_engine, upgrade_engine
from orderwatch.errors import DatabaseError

HEAD = "0001"  # the newest revision in migrations/; a test holds the two together


class Schema(Enum):
    NONE = auto()  # no database yet
    BEHIND = auto()
    CURRENT = auto()


def schema_of(database: Path, *, thorough: bool = False) -> Schema:
    """Where the database stands; `DatabaseError` where it is damaged (looked for if `thorough`) or newer."""
    if not database.exists():
        return Schema.NONE
    try:
        with inspect_engine(database).connect() as connection:
            sound = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one() if thorough else "ok"
            found = _revision(connection)
    except (DBAPIError, sqlite3.DatabaseError) as error:
        raise DatabaseError(f"{database} cannot be read as a database: {_word(error)}") from error
    if sound != "ok":
        raise DatabaseError(f"{database} is damaged: {sound}; restore a backup")
    if found is None:
        return Schema.NONE
    if found > HEAD:
        raise DatabaseError(
            f"{database} has schema {found}, newer than this code's {HEAD}: upgrade orderwatch"
        )
    return Schema.CURRENT if found == HEAD else Schema.BEHIND


def upgrade(database: Path, revision: str = "head") -> None:
    """Run the migrations up, or down, to `revision`, in one transaction."""
    # Alembic takes most of a second to import, and a daemon at head never needs it.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    database.parent.mkdir(parents=True, exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(migrations()).replace("%", "%%"))
    try:
        with upgrade_engine(database).begin() as connection:
            config.attributes["connection"] = connection
            target = command.downgrade if revision != "head" else command.upgrade
            target(config, revision)
            if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise DatabaseError(f"{database}: the migration would break references; nothing was changed")
    except DBAPIError as error:
        raise DatabaseError(f"{database} cannot be brought to schema {HEAD}: {_word(error)}") from error


def migrations() -> Path:
    """In the installed package beside the code; in a working copy at the top of the repository."""
    package = Path(orderwatch.__file__).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent.parent / "migrations"


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _word(error: Exception) -> str:
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)
