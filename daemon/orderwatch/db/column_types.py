"""Column types, and how JSON is read."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import orjson
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

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], datetime | None]:
        """A page has thousands of times: the way over a naive one costs ten times as much."""
        del dialect, coltype
        return _moment


def _moment(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(f"{stored}+00:00")


def parsed(stored: str) -> object:
    """What a column of JSON holds."""
    try:
        return orjson.loads(stored)
    except orjson.JSONDecodeError:  # of lone surrogates, that the provider may send
        return json.loads(stored)
