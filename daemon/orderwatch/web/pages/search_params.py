"""A search as an address tells it, and the address of a search."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

from orderwatch.core.model import OrderState
from orderwatch.ports.queries import Search, Sort

COLUMNS = (
    (Sort.NAME, "Order"),
    (Sort.ATTENTION, "State"),
    (Sort.STATUS, "Provider's status"),
    (None, "Captures"),
    (None, "Stored"),
    (Sort.MOVED, "Timeline"),
    (Sort.NEXT_LOOK, "Next look"),
)
_LONGEST = 200  # characters of any value
_FARTHEST = 10**6


_USUAL = Search(sort=Sort.ATTENTION, descending=True)
_NAMES = ("text", "account", "project", "status", "state", "attention", "offset")
_LATEST_FIRST = {Sort.MOVED, Sort.ATTENTION}


def parse_search(query: Mapping[str, str]) -> Search:
    """What cannot be understood counts as not asked: a page is shown for every address."""
    told = {name: value[:_LONGEST] for name, value in query.items() if value}
    sort, state, offset = told.get("sort", ""), told.get("state", ""), told.get("offset", "")
    found = replace(
        _USUAL,
        text=told.get("text", "").strip(),
        account=told.get("account"),
        project=told.get("project"),
        status=told.get("status"),
        state=OrderState(state) if state in set(OrderState) else None,
        attention="attention" in told,
        offset=min(int(offset), _FARTHEST) if offset.isascii() and offset.isdigit() else 0,
    )
    return replace(found, sort=Sort(sort), descending="descending" in told) if sort in set(Sort) else found


def link_of(search: Search, page: str = "/") -> str:
    told = {name: _text(value) for name in _NAMES if (value := getattr(search, name))}
    if (search.sort, search.descending) != (_USUAL.sort, _USUAL.descending):
        told |= {"sort": search.sort} | ({"descending": "yes"} if search.descending else {})
    return f"{page}?{urlencode(told)}" if told else page


def turned(search: Search, sort: Sort) -> Search:
    """By this column, the latest moves first; by it already, the other way round."""
    descending = not search.descending if search.sort is sort else sort in _LATEST_FIRST
    return replace(search, sort=sort, descending=descending, offset=0)


def narrows(search: Search) -> bool:
    """Whether it leaves out any order."""
    return replace(search, sort=_USUAL.sort, descending=True, offset=0, limit=_USUAL.limit) != _USUAL


def _text(value: object) -> str:
    return "yes" if value is True else str(value)
