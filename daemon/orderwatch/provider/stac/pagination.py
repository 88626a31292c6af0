"""Reads the pages of a STAC search."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson
from yarl import URL

from orderwatch.errors import AnswerError, MissingError
from orderwatch.provider.client import Api, HttpClient

PAGE_ITEMS = 100
MAX_PAGES = 1000
NAME = "archive: POST search"

Body = Mapping[str, object]


class _Request(NamedTuple):
    """A POST of `body`, or a GET of the URL."""

    url: URL
    body: Body | None

    @property
    def token(self) -> object:
        """What names the page, None for the first and for servers that have no tokens."""
        return (self.url.query if self.body is None else self.body).get("token")


class _Page(NamedTuple):
    items: list[object]
    links: object


async def search_pages(http: HttpClient, api: Api, url: URL, body: Body) -> AsyncIterator[list[object]]:
    """Yield the items of each page, unread. Raises `ProviderError` if a page fails or repeats another.

    Pages that follow are requested at `url` too, whatever host their links name.
    """
    guard = _LoopGuard()
    request: _Request | None = _Request(url, {**body, "limit": PAGE_ITEMS})
    while request is not None:
        guard.check_request(request)
        try:
            reply = await http.request(api, request.url, NAME, request.body)
        except MissingError as error:
            if guard.pages == 1:
                raise
            raise AnswerError(f"{NAME}: a page is missing") from error
        page = _parse(reply.json())
        guard.check_items(page.items)
        yield page.items
        request = _next(page, request, url)


@dataclass
class _LoopGuard:
    """Raises `AnswerError` if a page is requested, or received, a second time."""

    pages: int = 0
    requests: set[bytes] = field(default_factory=set)
    contents: set[tuple[str, ...]] = field(default_factory=set)

    def check_request(self, request: _Request) -> None:
        self.pages += 1
        if self.pages > MAX_PAGES:
            raise AnswerError(f"{NAME}: the search has more than {MAX_PAGES} pages")
        try:
            mark = orjson.dumps(
                request.token or [str(request.url), request.body], option=orjson.OPT_SORT_KEYS
            )
        except TypeError:  # a lone surrogate, a number too large, or nesting too deep
            raise AnswerError(f"{NAME}: the next page has no valid address") from None
        if mark in self.requests:
            raise AnswerError(f"{NAME}: a page repeats an earlier one")
        self.requests.add(mark)

    def check_items(self, items: list[object]) -> None:
        mark = tuple(map(_identity, items))
        if mark in self.contents:
            raise AnswerError(f"{NAME}: a page repeats an earlier one")
        self.contents.add(mark)


def _identity(item: object) -> str:
    match item:
        case {"collection": str() as collection, "id": str() as item_id}:
            return f"{collection}/{item_id}"
        case {"id": str() | int() as item_id}:
            return str(item_id)
        case _:
            return ""


def _parse(document: object) -> _Page:
    match document:
        case {"features": list(items), **rest}:
            return _Page(items, rest.get("links"))
        case _:
            raise AnswerError(f"{NAME}: the response is not a list of items")


def _next(page: _Page, request: _Request, url: URL) -> _Request | None:
    """Return the request of the next page, None after the last one."""
    links = page.links if isinstance(page.links, list) else []
    link = next((link for link in links if isinstance(link, dict) and link.get("rel") == "next"), None)
    match link:
        case None:
            return None
        case {"body": dict(body), **rest}:
            merged = {**(request.body or {}), **body} if rest.get("merge") is True else body
            return _Request(url, merged)
        case {"href": str(href), **rest} if str(rest.get("method") or "GET").upper() == "GET":
            return _Request(_at_endpoint(href, url), None)
        case _ if len(page.items) < PAGE_ITEMS:
            return None  # some servers end the last page with such a link
        case _:
            raise AnswerError(f"{NAME}: the next page has no valid address")


def _at_endpoint(href: str, url: URL) -> URL:
    """Return the page at the search's own address: only the query of the link is used.

    Behind a gateway links may name another host and another path before the last segment.
    """
    try:
        target = url.join(URL(href))
    except ValueError:
        raise AnswerError(f"{NAME}: the next page has no valid address") from None
    if target.path.rstrip("/").rpartition("/")[2] != url.path.rstrip("/").rpartition("/")[2]:
        raise AnswerError(f"{NAME}: the next page belongs to another list")
    return url.with_query(target.query)
