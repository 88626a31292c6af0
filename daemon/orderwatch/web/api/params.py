"""Parses query parameters; unknown ones are rejected rather than ignored."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlencode

from orderwatch.core.model import OrderState
from orderwatch.ports.agenda import Period
from orderwatch.ports.queries import Search, Sort
from orderwatch.web.row_numbers import MAX_ROW_NUMBER, number_of

MAX_LIMIT = 200
MAX_OFFSET = 10**9
MAX_CHARACTERS = 200
_YES_NO = {"true": True, "false": False}
_TEXTS = ("text", "account", "project", "status")
SEARCH = (*_TEXTS, "state", "attention", "sort", "descending", "offset", "limit")

T = TypeVar("T")
Pairs = Collection[tuple[str, str]]


class ParameterError(ValueError):
    """A parameter is invalid; the text says why."""


def search_of(query: Pairs) -> Search:
    given = _once(query, SEARCH)
    _check_texts(given)
    return Search(
        text=given.get("text", ""),
        account=given.get("account"),
        project=given.get("project"),
        status=given.get("status"),
        state=_among(given, "state", {str(state): state for state in OrderState}, None),
        attention=_among(given, "attention", _YES_NO, False),  # noqa: FBT003 - as below
        sort=_among(given, "sort", {str(sort): sort for sort in Sort}, Sort.ORDER_ID),
        descending=_among(given, "descending", _YES_NO, False),  # noqa: FBT003 - the default
        offset=_number(given, "offset", 0, MAX_OFFSET, 0),
        limit=_number(given, "limit", 1, MAX_LIMIT, 100),
    )


def query_of(search: Search, offset: int) -> str:
    """Returns the query string of a search at `offset`."""
    given = {
        "text": search.text or None,
        "account": search.account,
        "project": search.project,
        "status": search.status,
        "state": search.state,
        "attention": "true" if search.attention else None,
        "sort": search.sort,
        "descending": "true" if search.descending else None,
        "offset": offset,
        "limit": search.limit,
    }
    return urlencode({name: value for name, value in given.items() if value is not None})


def part_of(query: Pairs) -> tuple[int, int]:
    """Returns offset and limit of a part."""
    given = _once(query, ("offset", "limit"))
    return _number(given, "offset", 0, MAX_OFFSET, 0), _number(given, "limit", 1, MAX_LIMIT, 100)


def period_of(query: Pairs, since: datetime, until: datetime) -> Period:
    """Returns a period, from `since` up to `until` if the query has no times."""
    given = _once(query, ("since", "until", "account", "project"))
    _check_texts(given)
    return Period(
        since=_time(given, "since", since),
        until=_time(given, "until", until),
        account=given.get("account"),
        project=given.get("project"),
    )


def filters_of(query: Pairs) -> tuple[str | None, str | None]:
    """Returns account and project."""
    given = _once(query, ("account", "project"))
    _check_texts(given)
    return given.get("account"), given.get("project")


def after_of(query: Pairs) -> int | None:
    given = _once(query, ("after",))
    return _number(given, "after", 0, MAX_ROW_NUMBER, 0) if given else None


def nothing_of(query: Pairs) -> None:
    _once(query, ())


def _once(query: Pairs, known: tuple[str, ...]) -> Mapping[str, str]:
    if any(name not in known for name, _ in query):
        raise ParameterError(f"known parameters: {', '.join(known) or 'none'}")
    if len(dict(query)) != len(query):
        raise ParameterError("a parameter is given twice")
    return dict(query)


def _check_texts(given: Mapping[str, str]) -> None:
    for name in _TEXTS:
        if len(given.get(name, "")) > MAX_CHARACTERS or "\0" in given.get(name, ""):
            raise ParameterError(f"{name}: must have at most {MAX_CHARACTERS} characters, and no NUL")


def _time(given: Mapping[str, str], name: str, default: datetime) -> datetime:
    if name not in given:
        return default
    try:
        time = datetime.fromisoformat(given[name].upper())
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ParameterError(f"{name}: must be a time as 2026-12-01T00:00:00Z") from error


def _among(given: Mapping[str, str], name: str, values: Mapping[str, T], default: T) -> T:
    if name not in given:
        return default
    if given[name] not in values:
        raise ParameterError(f"{name}: must be one of {', '.join(values)}")
    return values[given[name]]


def _number(given: Mapping[str, str], name: str, least: int, most: int, default: int) -> int:
    if name not in given:
        return default
    number = number_of(given[name])
    if number is None or not least <= number <= most:
        raise ParameterError(f"{name}: must be a number from {least} to {most}")
    return number
