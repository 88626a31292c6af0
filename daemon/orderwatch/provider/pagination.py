"""Reads paginated lists: every row of every page."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson
import structlog
from yarl import URL

from orderwatch.errors import AnswerError, MissingError
from orderwatch.provider.client import Api, HttpClient
from orderwatch.provider.page_limits import PAGE_ROWS
from orderwatch.provider.transport import OversizeError, TimeoutReplyError

log = structlog.get_logger()


MAX_PAGES = 10_000
_QUERY = re.compile(rb'(://[^"?]*)\?[^"]*')  # of a link, in JSON
# New rows may lengthen a list while it is read: up to twice the pages of `count` plus ten are not odd.
_PAGE_COUNT_FACTOR = 2
_EXTRA_PAGES = 10


class Page(NamedTuple):
    """The rows of a page; `total` is the provider's count of all rows, None if unknown."""

    rows: list[object]
    total: int | None


class ListForm(NamedTuple):
    """How a list is requested and answered.

    `envelopes` are the keys of the rows, the first that is there counts. Without `asks_page` the provider
    decides the size of pages; without `by_offset` only its links lead to them. So many empty pages in a row
    may be followed by others.
    """

    envelopes: tuple[str, ...] = ("results",)
    page_rows: int = PAGE_ROWS
    asks_page: bool = True
    by_offset: bool = True
    max_empty_pages: int = 0


_NO_FILTERS: Mapping[str, str] = {}
_USUAL_FORM = ListForm()


async def rows(
    http: HttpClient,
    api: Api,
    path: str,
    filters: Mapping[str, str] = _NO_FILTERS,
    form: ListForm = _USUAL_FORM,
) -> AsyncIterator[tuple[int, object]]:
    """Yield each row with its position in the list, from 1. Raises `ProviderError` if a page fails."""
    position = 0
    async for page in pages(http, api, path, filters, form=form):
        for row in page.rows:
            position += 1
            yield position, row


async def pages(
    http: HttpClient,
    api: Api,
    path: str,
    filters: Mapping[str, str] = _NO_FILTERS,
    *,
    form: ListForm = _USUAL_FORM,
    max_rows: int | None = None,
) -> AsyncIterator[Page]:
    """Yield the pages in order, each of at most `max_rows` rows; an empty page is usually the last.

    Raises `ProviderError` if a page fails, repeats another or points outside the list, so a list that ends is
    complete. If pages are too large, requests smaller ones; rows may then be repeated.

    """
    reader = _ListReader(http, api, path, filters, form._replace(page_rows=max_rows or form.page_rows))
    url: URL | None = reader.first()
    while url is not None:
        url, document = await reader.request(url)
        page, next_link = _parse_page(document, reader.name, form.envelopes)
        reader.add(page)
        yield page
        url = reader.next(url, page, next_link)


@dataclass
class _ListReader:
    """Reads a list once."""

    http: HttpClient
    api: Api
    path: str
    filters: Mapping[str, str]
    form: ListForm
    visited: set[URL] = field(default_factory=set)
    digests: set[int] = field(default_factory=set)
    pages: int = 0
    rows: int = 0
    empty_pages: int = 0  # in a row
    per_page: int = 0  # rows of the first page

    @property
    def name(self) -> str:
        return f"{self.api.name}: GET {self.path}"

    @property
    def kind(self) -> str:
        """The list's name, without the id of an order or capture."""
        return f"{self.api.name} {self.path.rstrip('/').rpartition('/')[2]}"

    @property
    def limit(self) -> int:
        return self.http.page_limits.limit(self.kind, self.form.page_rows)

    def first(self) -> URL:
        if not self.form.asks_page and self.limit == self.form.page_rows:
            return self.http.url(self.api, self.path, **self.filters)
        offset = {"offset": 0} if self.form.by_offset else {}
        return self.http.url(self.api, self.path, limit=self.limit, **offset, **self.filters)

    async def request(self, url: URL) -> tuple[URL, object]:
        """Return the JSON of the page, and the URL that served it."""
        was_down = self.http.is_down  # then each request is tried once
        while True:
            if url in self.visited or self.pages == MAX_PAGES:
                raise AnswerError(
                    f"{self.name}: the list has more than {MAX_PAGES} pages, or its pages form a loop"
                )
            self.visited.add(url)
            try:
                return url, (await self.http.request(self.api, url, self.name)).json()
            except MissingError as error:
                if not self.pages:
                    raise
                raise AnswerError(f"{self.name}: a page is missing") from error  # not a missing order
            except (OversizeError, TimeoutReplyError) as error:
                lowered = (_int_param(url, "limit") or self.limit) > self.limit  # by another request
                if not self._lower(url, error):
                    raise
                if was_down and not lowered and isinstance(error, TimeoutReplyError):
                    raise
            url = self._smaller(url)

    def _lower(self, url: URL, error: OversizeError | TimeoutReplyError) -> bool:
        """Lower the page limit; returns whether to repeat the request at once."""
        limits, failed = self.http.page_limits, _int_param(url, "limit") or self.limit
        if limits.lower(self.kind, failed):
            return isinstance(error, OversizeError) or error.answered
        if isinstance(error, TimeoutReplyError):
            limits.forget(self.kind, failed)
        return False

    def _smaller(self, url: URL) -> URL:
        """Return the URL of the same page with fewer rows, of the first page if the URL has no offset."""
        if "offset" in url.query:
            return url.update_query(limit=self.limit)
        self.visited.clear()
        self.digests.clear()
        return self.first()

    def add(self, page: Page) -> None:
        """Count the page. Raises `AnswerError` if it repeats an earlier one."""
        self.http.page_limits.on_success(self.kind)
        self.pages += 1
        self.rows += len(page.rows)
        self.per_page = self.per_page or len(page.rows)
        self.empty_pages = 0 if page.rows else self.empty_pages + 1
        if page.rows:
            digest = _digest(page.rows)
            if digest in self.digests:
                raise AnswerError(f"{self.name}: a page repeats an earlier one")
            self.digests.add(digest)

    def next(self, url: URL, page: Page, next_link: object) -> URL | None:
        """Return the URL of the next page, None after the last one."""
        if next_link is None or next_link == "" or self.empty_pages > self.form.max_empty_pages:
            if page.total is not None and self.rows < page.total:
                self._log_odd("the list ended before `count` rows", page)
            return None
        if (
            page.total is not None
            and self.per_page
            and self.pages > _PAGE_COUNT_FACTOR * -(-page.total // self.per_page) + _EXTRA_PAGES
        ):
            self._log_odd("the list has far more pages than `count` implies", page)
        return self._next_url(url, next_link)

    def _log_odd(self, reason: str, page: Page) -> None:
        self.http.page_limits.log_odd(self.kind, reason, pages=self.pages, count=page.total)

    def _next_url(self, url: URL, next_link: object) -> URL:
        """Return the next page at the account's endpoint: only path and query of the link are used."""
        try:
            target = url.join(URL(next_link)) if isinstance(next_link, str) else None
        except ValueError:
            target = None
        if target is None:
            raise AnswerError(f"{self.name}: the next page has no valid address")
        list_url = self.http.url(self.api, self.path)
        list_paths = {list_url.path.rstrip("/"), self.path.rstrip("/")}  # a gateway may hide the base path
        if target.path.rstrip("/") not in list_paths:
            raise AnswerError(f"{self.name}: the next page belongs to another list")
        page = list_url.with_query(target.query).update_query(self.filters)
        if "offset" in page.query and (_int_param(page, "limit") or 0) > self.limit:
            page = page.update_query(limit=self.limit)
        return page


def _int_param(url: URL, name: str) -> int | None:
    text = url.query.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004 - digits


def _parse_page(document: object, name: str, envelopes: tuple[str, ...]) -> tuple[Page, object]:
    if isinstance(document, list):
        return Page(document, len(document)), None
    fields = document if isinstance(document, dict) else {}
    for key in envelopes:
        if isinstance(found := fields.get(key), list):
            total = fields.get("count", fields.get("numberMatched"))
            return Page(found, total if isinstance(total, int) else None), _next_link(fields)
    raise AnswerError(f"{name}: the response is not a list")


def _next_link(fields: Mapping[str, object]) -> object:
    """Return the address in `next`, or in the link with this relation as in GeoJSON of OGC and STAC."""
    links = fields.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "next":
            return link.get("href", "")
    return fields.get("next")


def _digest(found: list[object]) -> int:
    """Return a hash that is equal for equal pages, even if their links have new signatures."""
    try:
        return hash(_QUERY.sub(rb"\1", orjson.dumps(found)))
    except TypeError:  # a lone surrogate, a number too large, or nesting too deep
        pass
    try:
        return hash(repr(found))
    except RecursionError:
        return -1  # too deep to compare
