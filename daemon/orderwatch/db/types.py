"""Column types."""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect
from sqlalchemy.types import TypeDecorator


def utc(time: datetime) -> datetime:
    """The same moment in UTC; which one a time without a zone means, nobody knows."""
    if time.utcoffset() is None:
        raise ValueError("a time without a zone cannot be stored")
    return time.astimezone(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC; SQLite would drop the offset silently, so a naive one is refused."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else utc(value).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)
