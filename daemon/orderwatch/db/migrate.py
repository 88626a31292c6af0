"""Migrations: upgrading the database to this code's schema, all or nothing."""

from enum import Enum, auto
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import IntegrityError

import orderwatch
from orderwatch.db.engine import inspect_engine, upgrade_engine
from orderwatch.db.file_errors import one_line, translated
from orderwatch.errors import DatabaseError

HEAD = "0015"  # the newest revision in migrations/; a test holds the two together


class Schema(Enum):
    NONE = auto()  # no database yet
    BEHIND = auto()
    CURRENT = auto()


def schema_of(database: Path, *, thorough: bool = False) -> Schema:
    """Return the state of the database's schema; `DatabaseError` if it is newer, foreign or damaged.

    Damage is looked for only if `thorough`.
    """
    with translated(f"{database} cannot be read as a database"):
        if not database.exists():
            return Schema.NONE
        with inspect_engine(database).connect() as connection:
            integrity = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one() if thorough else "ok"
            tables = inspect(connection).get_table_names()
            found = _revision(connection) if "alembic_version" in tables else None
    if integrity != "ok":
        raise DatabaseError(f"{database} is damaged: {one_line(integrity)}; restore a backup")
    if tables and "alembic_version" not in tables:
        raise DatabaseError(f"{database} is another program's database; name another file in [database]")
    if found is None:
        return Schema.NONE
    if found > HEAD:
        raise DatabaseError(
            f"{database} has schema {found}, newer than this version's {HEAD}: upgrade orderwatch"
        )
    return Schema.CURRENT if found == HEAD else Schema.BEHIND


def upgrade(database: Path, revision: str = "head") -> None:
    """Run the migrations up, or down, to `revision`, in one transaction."""
    # Alembic takes most of a second to import, and a daemon at head never needs it.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above
    from alembic.util import CommandError  # noqa: PLC0415 - see above

    failed = f"{database} cannot be migrated to schema {HEAD}"
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    try:
        with translated(failed):
            database.parent.mkdir(parents=True, exist_ok=True)
        with translated(failed), upgrade_engine(database).begin() as connection:
            config.attributes["connection"] = connection
            target = command.downgrade if revision != "head" else command.upgrade
            target(config, revision)
            if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise DatabaseError(f"{database}: the migration would break references; nothing was changed")
    except (CommandError, IntegrityError) as error:
        raise DatabaseError(f"{failed}: {one_line(error)}; nothing was changed") from error


def migrations_folder() -> Path:
    """Return the folder in the installed package; in a working copy, at the top of the repository."""
    package = Path(orderwatch.__file__).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent.parent / "migrations"


def _revision(connection: Connection) -> str | None:
    # max and CAST: one word comes back, whatever the table holds.
    query = text("SELECT CAST(max(version_num) AS TEXT) FROM alembic_version")
    found: str | None = connection.execute(query).scalar_one()
    return found
