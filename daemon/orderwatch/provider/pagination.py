"""Paginated lists: every row of every page."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson
from yarl import URL

from orderwatch.errors import AnswerError, MissingError
from orderwatch.provider.client import Api, HttpClient
from orderwatch.provider.page_limits import PAGE
from orderwatch.provider.transport import OversizeError, TimeoutReplyError

MOST_PAGES = 10_000
_QUERY = re.compile(rb'(://[^"?]*)\?[^"]*')  # of a link, in JSON
_MORE = 2  # times the pages that `count` promises ..
_SLACK = 10  # .. and so many pages are still no wonder: rows come while the list is read


class Page(NamedTuple):
    """Rows as they came; `total` is how many the provider says there are in all, None where it does not."""

    rows: list[object]
    total: int | None


_NO_FILTERS: Mapping[str, str] = {}


async def rows(
    http: HttpClient, api: Api, path: str, filters: Mapping[str, str] = _NO_FILTERS
) -> AsyncIterator[tuple[int, object]]:
    """Each row with its position in the list, from 1; raises `ProviderError` where a page fails."""
    position = 0
    async for page in pages(http, api, path, filters):
        for row in page.rows:
            position += 1
            yield position, row


async def pages(
    http: HttpClient, api: Api, path: str, filters: Mapping[str, str] = _NO_FILTERS, *, most: int = PAGE
) -> AsyncIterator[Page]:
    """The pages in order, of at most `most` rows; an empty one is the last.

    Raises `ProviderError` where one fails, repeats another or leads elsewhere, so an end is the end. Where
    pages turn out to be too large smaller ones are asked for; rows may come twice then.
    """
    walk = _Walk(http, api, path, filters, most)
    url: URL | None = walk.first()
    while url is not None:
        url, document = await walk.ask(url)
        page, following = _open(document, walk.name)
        walk.take(page)
        yield page
        url = walk.next(url, page, following)


@dataclass
class _Walk:
    """One reading of a list."""

    http: HttpClient
    api: Api
    path: str
    filters: Mapping[str, str]
    most: int
    visited: set[URL] = field(default_factory=set)
    digests: set[int] = field(default_factory=set)
    pages: int = 0
    rows: int = 0
    per_page: int = 0  # rows of the first page

    @property
    def name(self) -> str:
        return f"{self.api.name}: GET {self.path}"

    @property
    def kind(self) -> str:
        """The list's name whatever order or capture it is of."""
        return f"{self.api.name} {self.path.rstrip('/').rpartition('/')[2]}"

    @property
    def limit(self) -> int:
        return min(self.most, self.http.lists.limit(self.kind))

    def first(self) -> URL:
        return self.http.url(self.api, self.path, limit=self.limit, offset=0, **self.filters)

    async def ask(self, url: URL) -> tuple[URL, object]:
        """The JSON of the page, and where it was in the end."""
        was_down = self.http.down  # then single requests probe it
        while True:
            if url in self.visited or self.pages == MOST_PAGES:
                raise AnswerError(f"{self.name}: the pages do not end")
            self.visited.add(url)
            try:
                return url, (await self.http.request(self.api, url, self.name)).json()
            except MissingError as error:
                if not self.pages:
                    raise
                raise AnswerError(
                    f"{self.name}: a page is missing"
                ) from error  # which is not a missing order
            except (OversizeError, TimeoutReplyError) as error:
                lowered = (_number(url, "limit") or self.limit) > self.limit  # by another request meanwhile
                if not self._lower(url, error):
                    raise
                if was_down and not lowered and isinstance(error, TimeoutReplyError):
                    raise
            url = self._smaller(url)

    def _lower(self, url: URL, error: OversizeError | TimeoutReplyError) -> bool:
        """Ask for less from now on; whether that may be done at once."""
        lists, failed = self.http.lists, _number(url, "limit") or self.limit
        if lists.lower(self.kind, failed):
            return isinstance(error, OversizeError) or error.answered
        if isinstance(error, TimeoutReplyError):
            lists.forget(self.kind, failed)
        return False

    def _smaller(self, url: URL) -> URL:
        """The same page, of fewer rows; where it does not say at which row it begins, the first one."""
        if "offset" in url.query:
            return url.update_query(limit=self.limit)
        self.visited.clear()
        self.digests.clear()
        return self.first()

    def take(self, page: Page) -> None:
        """Count the page; raises where it was shown before."""
        self.http.lists.worked(self.kind)
        self.pages += 1
        self.rows += len(page.rows)
        self.per_page = self.per_page or len(page.rows)
        if page.rows:
            digest = _digest(page.rows)
            if digest in self.digests:
                raise AnswerError(f"{self.name}: the pages repeat")
            self.digests.add(digest)

    def next(self, url: URL, page: Page, following: object) -> URL | None:
        """Where the next page is, None after the last one."""
        if following is None or following == "" or not page.rows:
            if page.total is not None and self.rows < page.total:
                self._odd("the list ended before all that `count` promises", page)
            return None
        if page.total is not None and self.pages > _MORE * -(-page.total // self.per_page) + _SLACK:
            self._odd("there are far more pages than `count` promises", page)
        return self._own(url, following)

    def _odd(self, reason: str, page: Page) -> None:
        self.http.lists.odd(self.kind, reason, pages=self.pages, count=page.total)

    def _own(self, url: URL, following: object) -> URL:
        """The next page at our own endpoint, whatever host it names: only its path and query count."""
        try:
            told = url.join(URL(following)) if isinstance(following, str) else None
        except ValueError:
            told = None
        if told is None:
            raise AnswerError(f"{self.name}: the next page has no proper address")
        list_url = self.http.url(self.api, self.path)
        ours = {list_url.path.rstrip("/"), self.path.rstrip("/")}  # a gateway may hide our base path
        if told.path.rstrip("/") not in ours:
            raise AnswerError(f"{self.name}: the next page is not of this list")
        page = list_url.with_query(told.query).update_query(self.filters)
        if "offset" in page.query and (_number(page, "limit") or 0) > self.limit:
            page = page.update_query(limit=self.limit)
        return page


def _number(url: URL, name: str) -> int | None:
    text = url.query.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004 - digits


def _open(document: object, name: str) -> tuple[Page, object]:
    match document:
        case list():
            return Page(document, len(document)), None
        case {"results": list(found), **rest}:
            total = rest.get("count")
            return Page(found, total if isinstance(total, int) else None), rest.get("next")
        case _:
            raise AnswerError(f"{name}: the answer is not a list")


def _digest(found: list[object]) -> int:
    """Equal for equal pages, also where their links are signed anew."""
    try:
        return hash(_QUERY.sub(rb"\1", orjson.dumps(found)))
    except TypeError:  # a lone surrogate, too large a number, too deep
        pass
    try:
        return hash(repr(found))
    except RecursionError:
        return -1  # as deep as can be told
