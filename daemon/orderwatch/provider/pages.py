"""Paginated lists: every row of every page."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import orjson
from yarl import URL

from orderwatch.errors import AnswerError, MissingError
from orderwatch.provider.http import Api, Http

PAGE = 100  # rows asked for at a time
MOST_PAGES = 10_000


class Page(NamedTuple):
    """Rows as they came; `total` is how many the provider says there are in all, None where it does not."""

    rows: list[object]
    total: int | None


async def rows(http: Http, api: Api, path: str, **filters: str) -> AsyncIterator[object]:
    """The rows in order; raises `ProviderError` where a page fails, so an end is the end."""
    async for page in pages(http, api, path, **filters):
        for row in page.rows:
            yield row


async def pages(http: Http, api: Api, path: str, **filters: str) -> AsyncIterator[Page]:
    """The pages in order; raises `ProviderError` where one fails, repeats another or leads elsewhere."""
    name = f"{api.name}: GET {path}"
    url: URL | None = http.url(api, path, limit=PAGE, offset=0, **filters)
    visited: set[URL] = set()
    shown: set[int | None] = set()
    while url is not None:
        if url in visited or len(visited) == MOST_PAGES:
            raise AnswerError(f"{name}: the pages do not end")
        page, following = _open(await _ask(http, api, url, name, first=not visited), name)
        digest = _digest(page.rows)
        if digest in shown:
            raise AnswerError(f"{name}: the pages repeat")
        visited.add(url)
        shown |= {digest} - {None}
        yield page
        url = _resolve(url, following, name)


async def _ask(http: Http, api: Api, url: URL, name: str, *, first: bool) -> object:
    try:
        return (await http.request(api, url, name)).json()
    except MissingError as error:
        if first:
            raise
        raise AnswerError(f"{name}: a page is missing") from error  # which is not a missing order


def _open(document: object, name: str) -> tuple[Page, object]:
    match document:
        case list():
            return Page(document, len(document)), None
        case {"results": list(found), **rest}:
            total = rest.get("count")
            return Page(found, total if isinstance(total, int) else None), rest.get("next")
        case _:
            raise AnswerError(f"{name}: the answer is not a list")


def _digest(found: list[object]) -> int | None:
    """Equal for equal pages; None for empty ones, which prove nothing."""
    if not found:
        return None
    try:
        return hash(orjson.dumps(found))
    except TypeError:  # a lone surrogate, too large a number, too deep
        pass
    try:
        return hash(repr(found))
    except RecursionError:
        return -1  # as deep as can be told


def _resolve(current: URL, following: object, name: str) -> URL | None:
    if following is None or following == "":
        return None
    try:
        if isinstance(following, str):
            return current.join(URL(following))
    except ValueError as error:
        raise AnswerError(f"{name}: the next page has no proper address") from error
    raise AnswerError(f"{name}: the next page has no proper address")
