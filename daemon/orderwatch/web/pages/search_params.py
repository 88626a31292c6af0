"""Converts searches to and from URLs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from multidict import MultiMapping

from orderwatch.core.model import OrderState
from orderwatch.ports.queries import Search, Sort

COLUMNS = {
    Sort.NAME: "Order",
    Sort.ATTENTION: "State",
    Sort.STATUS: "Provider's status",
    Sort.PRODUCT: "Product",
    Sort.PRIORITY: "Priority",
    Sort.PLACED: "Placed",
    Sort.END: "Window end",
    Sort.CAPTURES: "Captures",
    Sort.STORED: "Stored",
    Sort.BYTES: "Size",
    Sort.MOVED: "Timeline",
    Sort.NEXT_LOOK: "Next poll",
}
OPTIONAL = (Sort.PRODUCT, Sort.PRIORITY, Sort.PLACED, Sort.END, Sort.BYTES)
_MAX_CHARACTERS = 200
_MAX_OFFSET = 10**6


_DEFAULT_SEARCH = Search(sort=Sort.ATTENTION, descending=True)
_NAMES = ("text", "account", "project", "status", "state", "attention", "offset")
_LATEST_FIRST = {
    Sort.MOVED,
    Sort.ATTENTION,
    Sort.PRIORITY,
    Sort.PLACED,
    Sort.CAPTURES,
    Sort.STORED,
    Sort.BYTES,
}


def parse_search(query: Mapping[str, str]) -> Search:
    """Returns the search of a query; invalid values are ignored, so that every URL shows a page."""
    given = {name: value[:_MAX_CHARACTERS] for name, value in query.items() if value}
    sort, state, offset = given.get("sort", ""), given.get("state", ""), given.get("offset", "")
    found = replace(
        _DEFAULT_SEARCH,
        text=given.get("text", "").strip(),
        account=given.get("account"),
        project=given.get("project"),
        status=given.get("status"),
        state=OrderState(state) if state in set(OrderState) else None,
        attention="attention" in given,
        offset=min(int(offset), _MAX_OFFSET) if offset.isascii() and offset.isdigit() else 0,
    )
    return replace(found, sort=Sort(sort), descending="descending" in given) if sort in set(Sort) else found


def parse_columns(query: MultiMapping[str]) -> tuple[Sort, ...]:
    """Returns the optional columns to show, in the order of the table."""
    return tuple(column for column in OPTIONAL if column in query.getall("column", []))


def link_of(search: Search, page: str = "/", columns: Sequence[Sort] = ()) -> str:
    given = {name: _text(value) for name in _NAMES if (value := getattr(search, name))}
    if (search.sort, search.descending) != (_DEFAULT_SEARCH.sort, _DEFAULT_SEARCH.descending):
        given |= {"sort": search.sort} | ({"descending": "yes"} if search.descending else {})
    pairs = [*given.items(), *(("column", column) for column in columns)]
    return f"{page}?{urlencode(pairs)}" if pairs else page


def turned(search: Search, sort: Sort) -> Search:
    """Returns the search sorted by this column, or reversed if it is already."""
    descending = not search.descending if search.sort is sort else sort in _LATEST_FIRST
    return replace(search, sort=sort, descending=descending, offset=0)


def narrows(search: Search) -> bool:
    """Returns whether the search filters orders."""
    return (
        replace(search, sort=_DEFAULT_SEARCH.sort, descending=True, offset=0, limit=_DEFAULT_SEARCH.limit)
        != _DEFAULT_SEARCH
    )


def _text(value: object) -> str:
    return "yes" if value is True else str(value)
