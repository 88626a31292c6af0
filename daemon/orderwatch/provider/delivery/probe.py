"""Asks one delivery API of an account whether it answers: one request, whose rows do not matter."""

from collections.abc import Awaitable, Callable, Mapping

from yarl import URL

from orderwatch.provider.client import ORDERS, TELLURIC, HttpClient
from orderwatch.provider.pagination import pages
from orderwatch.provider.stac.search import search_all
from orderwatch.provider.v2.lists import NOT_OFFERED, WHOLE_LIST

_NO_CAPTURE = "00000000-0000-0000-0000-000000000000"


async def probe(http: HttpClient, delivery_api: str) -> str:
    """Return what the API answers. Raises `ProviderError`."""
    return await _PROBES[delivery_api](http)


async def _telluric(http: HttpClient) -> str:
    async for _ in pages(http, TELLURIC, "/telluric/scenes/", {"sceneset_id": _NO_CAPTURE}, max_rows=1):
        break
    return "answers"


async def _stac(http: HttpClient) -> str:
    async for _ in search_all(http):
        break
    return f"{URL(http.credentials.archive_url).host} answers a search"


async def _deliverables(http: HttpClient) -> str:
    """Request the list of the contract, which the provider may not offer: each order has its own."""
    try:
        async for _ in pages(http, ORDERS, "/v2/deliverables/", form=WHOLE_LIST, max_rows=1):
            break
    except NOT_OFFERED as error:
        return f"is requested of each order, since there is no list of the contract ({error})"
    return "answers"


_PROBES: Mapping[str, Callable[[HttpClient], Awaitable[str]]] = {
    "telluric": _telluric,
    "stac": _stac,
    "deliverables": _deliverables,
}
