"""What the commands beside the daemon ask of its database."""

from pathlib import Path

from orderwatch.db.upgrade import Schema, schema_of
from orderwatch.errors import DatabaseError


def demand_current(database: Path) -> None:
    """Commands beside the daemon never migrate; `DatabaseError` says what to do instead."""
    match schema_of(database):
        case Schema.NONE:
            raise DatabaseError(
                f"there is no database at {database} yet; `orderwatch run` or `once` makes it"
            )
        case Schema.BEHIND:
            raise DatabaseError(f"{database} is behind this code; run: orderwatch migrate")
        case Schema.CURRENT:
            pass
