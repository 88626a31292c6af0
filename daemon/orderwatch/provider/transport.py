"""Sends one HTTP request: bounded, without redirects, with sanitized errors.

Error texts never contain a URL's query, a header, a body or aiohttp's messages: all can carry secrets.
"""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import aiohttp
from yarl import URL

from orderwatch.core.formatting import format_bytes
from orderwatch.core.network import DIRECT, Network
from orderwatch.core.retry_after import http_date, retry_after
from orderwatch.errors import (
    AnswerError,
    MissingError,
    ProviderError,
    ProxyError,
    UnavailableError,
)
from orderwatch.http_session import new_connector, new_session
from orderwatch.ports import Check, Meter
from orderwatch.provider.sanitize import parse

MAX_BODY_BYTES = 16 * 2**20  # after decompression
MAX_REFUSAL_BYTES = 2**16  # the rest is not read
TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10)
MAX_CONNECTIONS = 10

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([\w.:-]+)', re.ASCII | re.IGNORECASE)

SUCCESS = range(200, 300)
CLIENT_ERROR = range(400, 500)
_SERVER_ERROR = range(500, 600)
_TOO_SLOW = frozenset({502, 504, 524})  # gateway timeouts


class TransientError(UnavailableError):
    """A transient error, retried within the call. `wait` is the provider's Retry-After in seconds."""


class DisconnectedError(TransientError):
    """The server closed the connection without a response, as servers do with idle ones."""


class TimeoutReplyError(TransientError):
    """No response in time, perhaps because the page is too large. A gateway may have `answered`."""

    def __init__(self, message: str, *, wait: float = 0.0, answered: bool = False) -> None:
        super().__init__(message, wait=wait)
        self.answered = answered


class FailedReplyError(TransientError):
    """The server fails at this request (500), perhaps each time."""


class UnsupportedError(UnavailableError):
    """The server does not implement this request (501)."""


class TruncatedError(AnswerError):
    """The body was truncated; retried within the call."""


class OversizeError(AnswerError):
    """The response is larger than orderwatch reads or the server sends; request a smaller page."""


class InvalidRequestError(AnswerError):
    """The server rejects the request as invalid or unsupported (400, 422)."""


class NotAllowedError(AnswerError):
    """The provider answers 405: it has no such request."""


_UNAVAILABLE: Mapping[int, type[UnavailableError]] = {
    **dict.fromkeys((408, 429, 503, 522), TransientError),
    500: FailedReplyError,
    501: UnsupportedError,
}
_UNUSABLE: Mapping[int, type[ProviderError]] = {
    **dict.fromkeys((400, 422), InvalidRequestError),
    404: MissingError,
    405: NotAllowedError,
    413: OversizeError,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; `name` identifies the request in errors.

    `body` is read for a 2xx, and on demand for a 4xx.
    """

    name: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    charset: str | None = None

    @property
    def date(self) -> datetime | None:
        """The server's time of the response; None if it came from a cache (`Age`)."""
        return None if "Age" in self.headers else http_date(self.headers.get("Date"))

    @property
    def retry_after(self) -> float | None:
        """The server's Retry-After in seconds, within 1 s .. 1 h; None if missing."""
        return retry_after(self.headers.get("Retry-After"), http_date(self.headers.get("Date")))

    @property
    def is_overload(self) -> bool:
        """Whether the server is overloaded or failing."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS or self.status in _SERVER_ERROR

    def json(self) -> object:
        """Parse the body as JSON. Raises `AnswerError`."""
        try:
            return parse(self.body, self.charset)
        except (ValueError, RecursionError) as error:
            raise AnswerError(f"{self.name}: the response is not JSON") from error

    def raise_for_status(self) -> None:
        """Raise the error for any status except 2xx."""
        text = f"{self.name}: {self.status}"
        if self.status in SUCCESS:
            return
        if self.status in _TOO_SLOW:
            raise TimeoutReplyError(text, wait=self.retry_after or 0.0, answered=True)
        if kind := _UNAVAILABLE.get(self.status):
            raise kind(text, wait=self.retry_after or 0.0)
        if self.status in _SERVER_ERROR:
            raise UnavailableError(text, wait=self.retry_after or 0.0)
        raise _UNUSABLE.get(self.status, AnswerError)(text)


@asynccontextmanager
async def open_session(
    network: Network = DIRECT, before_send: Check = bool
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session that ignores proxy variables and keeps no cookies.

    `before_send` runs before each request, when its connection is open.
    """
    headers = {"Accept": "application/json", "User-Agent": "orderwatch"}
    connector = new_connector(network, limit=MAX_CONNECTIONS, on_connected=before_send)
    async with new_session(connector, TIMEOUT, network=network, headers=headers) as session:
        yield session


async def exchange(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    *,
    name: str,
    headers: Mapping[str, str] | None = None,
    document: Mapping[str, object] | None = None,
    with_refusal: bool = False,
) -> Reply:
    """Send one request and read the response. Raises `ProviderError` if there is none."""
    with _translate_errors(name):
        async with session.request(
            method, url, headers=headers, json=document, allow_redirects=False
        ) as response:
            body = b""
            if response.status in SUCCESS:
                body = await _read(response.content, name)
            elif with_refusal and response.status in CLIENT_ERROR:
                body = await _read_refusal(response.content)
            return Reply(name, response.status, response.headers, body, _charset(response))


def _charset(response: aiohttp.ClientResponse) -> str | None:
    """Return the charset of the header; aiohttp's own parser fails on a bare `charset*`."""
    found = _CHARSET.search(response.headers.get("Content-Type", ""))
    return found and found[1]


async def metered(meter: Meter, api: str, request: Awaitable[Reply]) -> Reply:
    """Await the request and report its status and duration to the meter."""
    began = time.monotonic()
    try:
        reply = await request
    except ProviderError:
        meter.requested(api, None, time.monotonic() - began)
        raise
    meter.requested(api, reply.status, time.monotonic() - began)
    return reply


async def _read(content: aiohttp.StreamReader, name: str) -> bytes:
    body = bytearray()
    async for chunk in content.iter_chunked(2**16):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise OversizeError(f"{name}: the response is larger than {format_bytes(MAX_BODY_BYTES)}")
    return bytes(body)


async def _read_refusal(content: aiohttp.StreamReader) -> bytes:
    """Read a refusal's message as far as it arrives; the status alone decides."""
    body = bytearray()
    with suppress(aiohttp.ClientError, OSError):  # includes timeouts
        async for chunk in content.iter_chunked(2**14):
            body += chunk
            if len(body) >= MAX_REFUSAL_BYTES:
                break
    return bytes(body[:MAX_REFUSAL_BYTES])


@contextmanager
def _translate_errors(name: str) -> Iterator[None]:
    try:
        yield
    except ProxyError as error:
        kind = UnavailableError if error.refused else TransientError
        raise kind(f"{name}: {error}", reached=False) from error
    except aiohttp.ConnectionTimeoutError as error:
        raise TransientError(f"{name}: cannot connect in time", reached=False) from error
    except TimeoutError as error:
        raise TimeoutReplyError(f"{name}: no response in time") from error
    except aiohttp.ServerDisconnectedError as error:
        raise DisconnectedError(f"{name}: connection closed") from error
    except (aiohttp.ClientConnectionError, OSError) as error:
        reached = not isinstance(error, aiohttp.ClientConnectorError)
        raise TransientError(f"{name}: {_describe(error)}", reached=reached) from error
    except aiohttp.ClientPayloadError as error:
        raise TruncatedError(f"{name}: the response was truncated") from error
    except aiohttp.ClientError as error:
        raise AnswerError(f"{name}: the response is not valid HTTP") from error


def _describe(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "host not found"
        case aiohttp.ClientSSLError():
            return "no trusted TLS connection"
        case aiohttp.ClientConnectorError():
            return "cannot connect"
        case _:
            return "connection reset"
