"""Migrations: upgrading the database to this code's schema, all or nothing."""

from collections.abc import Collection
from enum import Enum, auto
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    cast,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable

import orderwatch
from orderwatch.core.database_location import DatabaseLocation, PostgresServer
from orderwatch.db.engines import postgres
from orderwatch.db.engines.sqlite import inspect_engine, upgrade_engine
from orderwatch.db.file_errors import one_line, translated
from orderwatch.db.tables import metadata
from orderwatch.errors import DatabaseError

HEAD = "0017"  # the newest revision in migrations/; a test holds the two together

_VERSIONS = Table(  # as Alembic creates it
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class Schema(Enum):
    NONE = auto()  # no database yet
    BEHIND = auto()
    CURRENT = auto()


def schema_of(location: DatabaseLocation, *, thorough: bool = False) -> Schema:
    """Return the state of the database's schema; `DatabaseError` if it is newer, foreign or damaged.

    Damage of a file is looked for only if `thorough`.
    """
    with translated(f"{location} cannot be read as a database"):
        if isinstance(location, PostgresServer):
            tables, found = postgres.run_blocking(location, _revision, reading=True)
        elif not location.exists():
            return Schema.NONE
        else:
            with inspect_engine(location).connect() as connection:
                integrity = (
                    connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one() if thorough else "ok"
                )
                tables, found = _revision(connection)
            if integrity != "ok":
                raise DatabaseError(f"{location} is damaged: {one_line(integrity)}; restore a backup")
    return _judged(location, tables, found)


def upgrade(location: DatabaseLocation, revision: str = "head") -> None:
    """Run the migrations up, or down, to `revision`, in one transaction."""
    from alembic.util import CommandError  # noqa: PLC0415 - see `_migrate`

    failed = f"{location} cannot be migrated to schema {HEAD}"
    try:
        with translated(failed):
            if isinstance(location, PostgresServer):
                postgres.run_blocking(location, lambda connection: _create_or_migrate(connection, revision))
            else:
                _upgrade_file(location, revision)
    except (CommandError, IntegrityError) as error:
        raise DatabaseError(f"{failed}: {one_line(error)}; nothing was changed") from error


def _upgrade_file(path: Path, revision: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with upgrade_engine(path).begin() as connection:
        _migrate(connection, revision)
        if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise DatabaseError(f"{path}: the migration would break references; nothing was changed")


def _create_or_migrate(connection: Connection, revision: str) -> None:
    """Migrate a database on a server; a new one begins at head: no server has an older schema than 0015."""
    tables, found = _revision(connection)
    if not tables:
        postgres.with_conditions(metadata).create_all(connection)
        connection.execute(CreateTable(_VERSIONS))
        connection.execute(insert(_VERSIONS).values(version_num=HEAD))
    elif found != HEAD or revision != "head":
        _migrate(connection, revision)


def _migrate(connection: Connection, revision: str) -> None:
    # Alembic takes most of a second to import, and a daemon at head never needs it.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    target = command.downgrade if revision != "head" else command.upgrade
    target(config, revision)


def migrations_folder() -> Path:
    """Return the folder in the installed package; in a working copy, at the top of the repository."""
    package = Path(orderwatch.__file__).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent.parent / "migrations"


def _judged(location: DatabaseLocation, tables: Collection[str], found: str | None) -> Schema:
    if tables and _VERSIONS.name not in tables:
        raise DatabaseError(f"{location} is another program's database; name another file in [database]")
    if found is None:
        return Schema.NONE
    if found > HEAD:
        raise DatabaseError(
            f"{location} has schema {found}, newer than this version's {HEAD}: upgrade orderwatch"
        )
    return Schema.CURRENT if found == HEAD else Schema.BEHIND


def _revision(connection: Connection) -> tuple[Collection[str], str | None]:
    """Return the tables of a database, and the revision of its schema."""
    tables = inspect(connection).get_table_names()
    if _VERSIONS.name not in tables:
        return tables, None
    # max and CAST: one word comes back, whatever the table holds.
    found: str | None = connection.execute(select(cast(func.max(_VERSIONS.c.version_num), Text))).scalar_one()
    return tables, found
