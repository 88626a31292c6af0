"""How many rows a statement has changed, on both engines."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Executable


def count_changed(db: Connection, statement: Executable, rows: Sequence[dict[str, Any]]) -> int:
    """Execute the statement for each row; asyncpg does not count what many rows at once have changed."""
    if len(rows) > 1 and db.dialect.supports_sane_multi_rowcount:
        return db.execute(statement, rows).rowcount
    return sum(db.execute(statement, row).rowcount for row in rows)
