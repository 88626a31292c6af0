"""Requests to an operator's own URLs, which are secrets: no error ever quotes one."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from orderwatch.errors import NotifyError
from orderwatch.http_session import new_session
from orderwatch.ssrf import GuardedResolver, Reach, is_local, literal, reach_of

_TOTAL, _CONNECT = 15.0, 10.0  # seconds
_MOST_READ = 2**16  # bytes of an answer, so that the connection can be used again
_LONGEST_WAIT = 3600


class Web:
    """`read_url` gives the URL as it now is: it may be renewed where it is kept."""

    def __init__(
        self, session: aiohttp.ClientSession, read_url: Callable[[], str], *, allow_private: bool
    ) -> None:
        self._session = session
        self._read_url = read_url
        self._allow_private = allow_private

    async def get(self) -> None:
        """`NotifyError` where the answer is not 2xx."""
        await self._request("GET", None, {})

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """`NotifyError` where the answer is not 2xx."""
        await self._request("POST", body, headers)

    async def _request(self, method: str, body: bytes | None, headers: Mapping[str, str]) -> None:
        url = self._judged(self._read_url())
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                _judge(answer, url)
                await answer.content.read(_MOST_READ)
        except TimeoutError as error:
            raise NotifyError(f"{url.host} does not answer in time") from error
        except aiohttp.ClientConnectorError as error:
            raise NotifyError(f"{url.host} cannot be reached: {_reason(error)}") from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise NotifyError(f"{url.host}: the request failed: {type(error).__name__}") from error

    def _judged(self, text: str) -> URL:
        """By what it says; addresses behind names are judged when they are resolved."""
        try:
            url = URL(text, encoded=True)
        except ValueError:
            raise NotifyError("the url is none") from None
        if url.host is None or url.scheme not in {"http", "https"}:
            raise NotifyError("the url is no http url")
        if url.scheme == "http" and not is_local(url.host):
            raise NotifyError("the url is plain http; only https is, or http to this host")
        address = literal(url.host)
        if address is not None and not (self._allow_private or reach_of(address) is Reach.PUBLIC):
            raise NotifyError(
                "the url leads to an address that is not public; set allow_private = true if it may"
            )
        return url


class _Public:
    async def allows(self, address: str) -> bool:
        return reach_of(address) is Reach.PUBLIC


@asynccontextmanager
async def open_web(read_url: Callable[[], str], *, allow_private: bool) -> AsyncIterator[Web]:
    """With a session of its own, that follows no redirect and keeps no cookie."""
    resolver = None if allow_private else GuardedResolver(_Public())
    connector = aiohttp.TCPConnector(resolver=resolver, limit=2)
    timeout = aiohttp.ClientTimeout(total=_TOTAL, connect=_CONNECT)
    async with new_session(connector, timeout, headers={"User-Agent": "orderwatch"}) as session:
        yield Web(session, read_url, allow_private=allow_private)


def _judge(answer: aiohttp.ClientResponse, url: URL) -> None:
    if 300 <= answer.status < 400:  # noqa: PLR2004 - every kind of redirect
        raise NotifyError(f"{url.host} answers {answer.status}: redirects are not followed")
    if not 200 <= answer.status < 300:  # noqa: PLR2004 - every kind of success
        asked = answer.headers.get("Retry-After", "")
        wait = min(int(asked), _LONGEST_WAIT) if asked.isascii() and asked.isdecimal() else 0
        raise NotifyError(f"{url.host} answers {answer.status}", wait=wait)


def _reason(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not to be trusted"
    return error.strerror or "no route"


class Ping:
    def __init__(self, web: Web) -> None:
        self._web = web

    async def ping(self) -> None:
        await self._web.get()


@asynccontextmanager
async def connect(read_url: Callable[[], str], *, allow_private: bool) -> AsyncIterator[Ping]:
    async with open_web(read_url, allow_private=allow_private) as web:
        yield Ping(web)
