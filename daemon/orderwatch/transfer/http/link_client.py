"""Requests to delivery links: redirects, host checks, time limits and errors."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from orderwatch.core.deliveries.file_version import FileVersion
from orderwatch.core.model import Delivery
from orderwatch.errors import HostError, TransferError
from orderwatch.http_session import new_session
from orderwatch.ports import UNMETERED, Meter
from orderwatch.ssrf import GuardedResolver
from orderwatch.transfer.http.host_policy import HostPolicy
from orderwatch.transfer.http.response import Answer, ByteRange, interpret, request_headers

_MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_READ_BUFFER_BYTES = 2**17  # read ahead by a connection, and lost when it breaks
_CONNECT_TIMEOUT_SECONDS = 15.0


class LinkClient:
    """The HTTP session of one account's downloads. Raises `TransferError`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        policy: HostPolicy,
        *,
        stall_timeout: float,
        meter: Meter = UNMETERED,
    ) -> None:
        self._session = session
        self._policy = policy
        self._stall_timeout = stall_timeout
        self._meter = meter

    @asynccontextmanager
    async def get(
        self, url: str, requested: ByteRange | None, delivery: Delivery, stored: FileVersion | None = None
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, Answer]]:
        """Request these bytes of the file, or the whole file (None); yields the response and its meaning."""
        headers = request_headers(requested, delivery)
        async with _translate_errors(), self._follow(_parse_url(url), headers) as response:
            yield response, interpret(response.status, response.headers, requested, delivery, stored)

    @asynccontextmanager
    async def _follow(self, link: URL, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Follow redirects, each checked by the host policy."""
        for hop in range(_MAX_REDIRECTS + 1):
            await self._policy.check(link)
            response = await self._request(link, headers, reached=hop > 0)
            async with response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or location is None:
                    yield response
                    return
                link = link.join(_parse_url(location))
        raise TransferError(f"more than {_MAX_REDIRECTS} redirects")

    async def _request(self, link: URL, headers: dict[str, str], *, reached: bool) -> aiohttp.ClientResponse:
        """Send one request. `reached`: the host of the delivery's link has answered with a redirect."""
        began = time.monotonic()
        limit = _CONNECT_TIMEOUT_SECONDS + self._stall_timeout
        try:
            # aiohttp limits each read only: a host could send its headers byte by byte.
            async with _translate_errors(reached=reached), asyncio.timeout(limit):
                response = await self._session.get(link, headers=headers, allow_redirects=False)
        except Exception:
            self._meter.requested("download", None, time.monotonic() - began)
            raise
        self._meter.requested("download", response.status, time.monotonic() - began)
        return response


@asynccontextmanager
async def open_link_client(
    api_host: str, *, stall_timeout: float, meter: Meter = UNMETERED
) -> AsyncIterator[LinkClient]:
    """Open a session for downloads; `api_host` is the account's API host, trusted by the host policy."""
    policy = HostPolicy(api_host)
    connector = aiohttp.TCPConnector(resolver=GuardedResolver(policy), limit=0)
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=_CONNECT_TIMEOUT_SECONDS, sock_read=stall_timeout
    )
    session = new_session(connector, timeout, auto_decompress=False, read_bufsize=_READ_BUFFER_BYTES)
    async with session:
        yield LinkClient(session, policy, stall_timeout=stall_timeout, meter=meter)


def _parse_url(text: str) -> URL:
    try:
        return URL(text, encoded=True)  # decoding and encoding again would break a signature
    except ValueError as error:
        raise TransferError("the link is not a URL") from error


@asynccontextmanager
async def _translate_errors(*, reached: bool = True) -> AsyncIterator[None]:
    """Raise `TransferError`s in place of aiohttp's errors, whose texts contain the link and its token."""
    try:
        yield
    except TimeoutError as error:
        raise HostError("the download stalled", reached=reached) from error
    except aiohttp.ClientPayloadError as error:
        raise HostError("the download was interrupted", reached=reached) from error
    except aiohttp.ClientConnectorError as error:
        text = f"cannot connect to the download host: {error.strerror or 'no route'}"
        raise HostError(text, reached=reached) from error
    except ValueError as error:  # also of an invalid link
        raise TransferError(f"the download failed: {type(error).__name__}") from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise HostError(f"the download failed: {type(error).__name__}", reached=reached) from error
