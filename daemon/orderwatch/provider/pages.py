"""Paginated lists: every row of every page."""

from collections.abc import AsyncIterator

from yarl import URL

from orderwatch.errors import AnswerError, MissingError
from orderwatch.provider.http import Api, Http

PAGE = 100  # rows asked for at a time
MOST_PAGES = 10_000


async def rows(http: Http, api: Api, path: str, **filters: str) -> AsyncIterator[object]:
    """The rows as they came, in order; raises `ProviderError` where a page fails, so an end is the end."""
    name = f"{api.name}: GET {path}"
    url: URL | None = http.url(api, path, limit=PAGE, offset=0, **filters)
    visited: set[URL] = set()
    while url is not None:
        if url in visited or len(visited) == MOST_PAGES:
            raise AnswerError(f"{name}: the pages do not end")
        page = await _page(http, api, url, name, first=not visited)
        visited.add(url)
        found, following = _open(page, name)
        for row in found:
            yield row
        url = _resolve(url, following, name)


async def _page(http: Http, api: Api, url: URL, name: str, *, first: bool) -> object:
    try:
        return (await http.request(api, url, name)).json()
    except MissingError as error:
        if first:
            raise
        raise AnswerError(f"{name}: a page is missing") from error  # which is not a missing order


def _open(page: object, name: str) -> tuple[list[object], object]:
    match page:
        case list():
            return page, None
        case {"results": list(found), **rest}:
            return found, rest.get("next")
        case _:
            raise AnswerError(f"{name}: the answer is not a list")


def _resolve(current: URL, following: object, name: str) -> URL | None:
    if following is None or following == "":
        return None
    try:
        if isinstance(following, str):
            return current.join(URL(following))
    except ValueError as error:
        raise AnswerError(f"{name}: the next page has no proper address") from error
    raise AnswerError(f"{name}: the next page has no proper address")
