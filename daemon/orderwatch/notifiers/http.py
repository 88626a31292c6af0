"""Sends requests to the operator's URLs, which are secrets: no error quotes one."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from orderwatch.core.network import DIRECT, Network
from orderwatch.errors import NotifyError, ProxyError
from orderwatch.http_session import new_connector, new_session
from orderwatch.ssrf import GuardedResolver, Reach, is_local, literal, reach_of

_TOTAL_TIMEOUT_SECONDS = 15.0
_CONNECT_TIMEOUT_SECONDS = 10.0
_MAX_READ_BYTES = 2**16  # of a response, to reuse its connection
_MAX_RETRY_AFTER_SECONDS = 3600


class Web:
    """`read_url` returns the present URL, which may change in its file."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        read_url: Callable[[], str],
        network: Network,
        *,
        allow_private: bool,
    ) -> None:
        self._session = session
        self._network = network
        self._read_url = read_url
        self._allow_private = allow_private

    async def get(self) -> None:
        """Send a GET. Raises `NotifyError` unless the response is 2xx."""
        await self._request("GET", None, {})

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a POST. Raises `NotifyError` unless the response is 2xx."""
        await self._request("POST", body, headers)

    async def _request(self, method: str, body: bytes | None, headers: Mapping[str, str]) -> None:
        url = self._checked(self._read_url())
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                _check_status(answer, url)
                await answer.content.read(_MAX_READ_BYTES)
        except ProxyError as error:
            raise NotifyError(f"{url.host} cannot be reached: {error}") from error
        except TimeoutError as error:
            raise NotifyError(f"{url.host} does not respond in time") from error
        except aiohttp.ClientConnectorError as error:
            raise NotifyError(f"{url.host} cannot be reached: {_reason(error)}") from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise NotifyError(f"{url.host}: the request failed: {type(error).__name__}") from error

    def _checked(self, text: str) -> URL:
        """Check the URL; addresses of host names are checked when they are resolved."""
        try:
            url = URL(text, encoded=True)
        except ValueError:
            raise NotifyError("the URL is invalid") from None
        if url.host is None or url.scheme not in {"http", "https"}:
            raise NotifyError("the URL is not http or https")
        if url.scheme == "http" and not is_local(url.host):
            raise NotifyError("the URL must be https; http is allowed only to this host")
        address = literal(url.host)
        if address is not None and not (self._allow_private or reach_of(address) is Reach.PUBLIC):
            raise NotifyError(
                "the URL leads to an address that is not public; to allow it, set allow_private = true"
            )
        if self._network.is_proxy(url.host, url.port):
            raise NotifyError("the URL leads to the proxy")
        return url


class _Public:
    async def allows(self, address: str) -> bool:
        return reach_of(address) is Reach.PUBLIC


@asynccontextmanager
async def open_web(
    read_url: Callable[[], str], network: Network = DIRECT, *, allow_private: bool
) -> AsyncIterator[Web]:
    """Open a client with its own session, which follows no redirects and keeps no cookies."""
    resolver = None if allow_private else GuardedResolver(_Public(), network)
    connector = new_connector(network, limit=2, resolver=resolver)
    timeout = aiohttp.ClientTimeout(total=_TOTAL_TIMEOUT_SECONDS, connect=_CONNECT_TIMEOUT_SECONDS)
    headers = {"User-Agent": "orderwatch"}
    async with new_session(connector, timeout, network=network, headers=headers) as session:
        yield Web(session, read_url, network, allow_private=allow_private)


def _check_status(answer: aiohttp.ClientResponse, url: URL) -> None:
    if 300 <= answer.status < 400:  # noqa: PLR2004 - every kind of redirect
        raise NotifyError(f"{url.host} answers {answer.status}: redirects are not followed")
    if not 200 <= answer.status < 300:  # noqa: PLR2004 - every kind of success
        after = answer.headers.get("Retry-After", "")
        wait = min(int(after), _MAX_RETRY_AFTER_SECONDS) if after.isascii() and after.isdecimal() else 0
        raise NotifyError(f"{url.host} answers {answer.status}", wait=wait)


def _reason(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    return error.strerror or "no route"


class Ping:
    def __init__(self, web: Web) -> None:
        self._web = web

    async def ping(self) -> None:
        await self._web.get()


@asynccontextmanager
async def connect(
    read_url: Callable[[], str], network: Network = DIRECT, *, allow_private: bool
) -> AsyncIterator[Ping]:
    async with open_web(read_url, network, allow_private=allow_private) as web:
        yield Ping(web)
