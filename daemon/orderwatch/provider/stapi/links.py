"""Finds the links that lead to files."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeGuard

from yarl import URL

from orderwatch.provider.schemas import exact_text

Link = Mapping[str, object]

_RELATIONS = frozenset({"asset", "assets", "data", "deliverable", "delivery", "download", "enclosure"})


def file_links(lists: Iterable[Iterable[object]]) -> dict[str, Link]:
    """Return the links to files by name; a link of an earlier list replaces the same one of a later list."""
    named: dict[str, Link] = {}
    known: set[Sequence[str]] = set()
    for links in lists:
        found = {str(link["href"]): link for link in links if _is_file(link)}
        added = [link for link in found.values() if _identity(link) not in known]
        for link in added:
            named[_free_name(_title(link) or _file_name(link) or "delivery", named)] = link
        known |= {_identity(link) for link in added}
    return named


def _is_file(link: object) -> TypeGuard[Link]:
    match link:
        case {"rel": str(rel), "href": str(), **others}:
            return rel in _RELATIONS and others.get("method") in {None, "GET"}
        case _:
            return False


def _identity(link: Link) -> Sequence[str]:
    """Return what stays when a link is signed again."""
    return _title(link) or "", str(link["href"]).partition("?")[0]


def _title(link: Link) -> str | None:
    return exact_text(link.get("title"))


def _file_name(link: Link) -> str | None:
    try:
        return URL(str(link["href"])).name
    except ValueError:
        return None


def _free_name(name: str, taken: Iterable[str]) -> str:
    names = itertools.chain((name,), (f"{name} {number}" for number in itertools.count(2)))
    return next(each for each in names if each not in taken)
