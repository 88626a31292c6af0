"""The time that leases count by: the database's on PostgreSQL, for all hosts; the process's on SQLite."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

DATABASE_CLOCK: ColumnElement[Any] = func.timezone("UTC", func.clock_timestamp())


def moment(db: Connection, now: datetime) -> datetime:
    """Return the present time; `now` is the process's."""
    if db.dialect.name == "sqlite":
        return now
    read: datetime = db.scalars(select(DATABASE_CLOCK)).one()
    return read.replace(tzinfo=UTC)
