"""What may be asked, word for word; what else is asked is refused rather than ignored."""

from collections.abc import Collection, Mapping
from typing import TypeVar
from urllib.parse import urlencode

from orderwatch.core.model import OrderState
from orderwatch.ports.queries import Search, Sort
from orderwatch.web.row_numbers import BIGGEST, number_of

MOST = 200  # orders of a page
FURTHEST = 10**9
LONGEST = 200  # characters
_YES_NO = {"true": True, "false": False}
_TEXTS = ("text", "account", "project", "status")
SEARCH = (*_TEXTS, "state", "attention", "sort", "descending", "offset", "limit")

T = TypeVar("T")
Pairs = Collection[tuple[str, str]]


class ParameterError(ValueError):
    """A question that has no answer; the text is ours."""


def search_of(query: Pairs) -> Search:
    given = _once(query, SEARCH)
    for name in _TEXTS:
        if len(given.get(name, "")) > LONGEST or "\0" in given.get(name, ""):
            raise ParameterError(f"{name}: up to {LONGEST} characters, none of them NUL")
    return Search(
        text=given.get("text", ""),
        account=given.get("account"),
        project=given.get("project"),
        status=given.get("status"),
        state=_among(given, "state", {str(state): state for state in OrderState}, None),
        attention=_among(given, "attention", _YES_NO, False),  # noqa: FBT003 - as below
        sort=_among(given, "sort", {str(sort): sort for sort in Sort}, Sort.TASK_ID),
        descending=_among(given, "descending", _YES_NO, False),  # noqa: FBT003 - the default
        offset=_number(given, "offset", 0, FURTHEST, 0),
        limit=_number(given, "limit", 1, MOST, 100),
    )


def query_of(search: Search, offset: int) -> str:
    """Such that `search_of` of it is that search, from there on."""
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


def after_of(query: Pairs) -> int | None:
    given = _once(query, ("after",))
    return _number(given, "after", 0, BIGGEST, 0) if given else None


def nothing_of(query: Pairs) -> None:
    _once(query, ())


def _once(query: Pairs, known: tuple[str, ...]) -> Mapping[str, str]:
    if any(name not in known for name, _ in query):
        raise ParameterError(f"known parameters: {', '.join(known) or 'none'}")
    if len(dict(query)) != len(query):
        raise ParameterError("each parameter once")
    return dict(query)


def _among(given: Mapping[str, str], name: str, values: Mapping[str, T], usual: T) -> T:
    if name not in given:
        return usual
    if given[name] not in values:
        raise ParameterError(f"{name}: one of {', '.join(values)}")
    return values[given[name]]


def _number(given: Mapping[str, str], name: str, least: int, most: int, usual: int) -> int:
    if name not in given:
        return usual
    number = number_of(given[name])
    if number is None or not least <= number <= most:
        raise ParameterError(f"{name}: a number from {least} to {most}")
    return number
