"""One HTTP exchange: bounded, never redirected, and with errors in our own words.

No text made here holds a URL's query, a header, a body or the words of aiohttp: all can carry secrets.
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
from orderwatch.core.retry_after import http_date, retry_after
from orderwatch.errors import AnswerError, MissingError, ProviderError, UnavailableError
from orderwatch.http_session import new_session
from orderwatch.ports import Meter
from orderwatch.provider.json_body import parse

LARGEST_BODY = 16 * 2**20  # bytes, after decompression
LARGEST_REFUSAL = 2**16  # bytes; what comes after them is not read
TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10)
CONNECTIONS = 10

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([\w.:-]+)', re.ASCII | re.IGNORECASE)

FINE = range(200, 300)
REFUSED = range(400, 500)
_SERVER_TROUBLE = range(500, 600)
_TRANSIENT = frozenset({408, 429, 500, 503, 522})
_TOO_SLOW = frozenset({502, 504, 524})  # a gateway's words for a server that did not finish


class TroubleError(UnavailableError):
    """Transient: worth another try within the call. `wait` is what the provider asks for, in seconds."""


class DisconnectedError(TroubleError):
    """The server closed the connection instead of answering, as servers do to idle ones."""


class TimeoutReplyError(TroubleError):
    """No answer in time: perhaps too much was asked for at once. A gateway may have `answered` instead."""

    def __init__(self, message: str, *, wait: float = 0.0, answered: bool = False) -> None:
        super().__init__(message, wait=wait)
        self.answered = answered


class CutError(AnswerError):
    """The body ended before its end: worth another try within the call."""


class OversizeError(AnswerError):
    """The answer is larger than we read or the server sends: ask for less at once."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came; `name` says in errors what was asked. The body is that of a 2xx.

    Where a refusal's words were asked for, it is what came of a 4xx too.
    """

    name: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    charset: str | None = None

    @property
    def date(self) -> datetime | None:
        """The server's clock when it answered; None where a cache answered, as `Age` tells."""
        return None if "Age" in self.headers else http_date(self.headers.get("Date"))

    @property
    def retry_after(self) -> float | None:
        """Seconds the server asks us to stay away, within 1 s .. 1 h; None where it does not say."""
        return retry_after(self.headers.get("Retry-After"), http_date(self.headers.get("Date")))

    @property
    def is_overload(self) -> bool:
        """The server has too much to do, or is in trouble."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS or self.status in _SERVER_TROUBLE

    def json(self) -> object:
        """The body as JSON; raises `AnswerError`."""
        try:
            return parse(self.body, self.charset)
        except (ValueError, RecursionError) as error:
            raise AnswerError(f"{self.name}: the answer is not JSON") from error

    def must_be_fine(self) -> None:
        """Raise what any status but 2xx means for the caller."""
        text = f"{self.name}: {self.status}"
        if self.status in FINE:
            return
        if self.status in _TOO_SLOW:
            raise TimeoutReplyError(text, wait=self.retry_after or 0.0, answered=True)
        if self.status in _TRANSIENT:
            raise TroubleError(text, wait=self.retry_after or 0.0)
        if self.status in _SERVER_TROUBLE:
            raise UnavailableError(text, wait=self.retry_after or 0.0)
        if self.status == HTTPStatus.NOT_FOUND:
            raise MissingError(text)
        if self.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise OversizeError(text)
        raise AnswerError(text)


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session that takes nothing from the environment and keeps nothing that servers hand out."""
    headers = {"Accept": "application/json", "User-Agent": "orderwatch"}
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with new_session(connector, TIMEOUT, headers=headers) as session:
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
    """Send one request, read the answer. Raises `ProviderError` where no answer came."""
    with _translated(name):
        async with session.request(
            method, url, headers=headers, json=document, allow_redirects=False
        ) as response:
            body = b""
            if response.status in FINE:
                body = await _read(response.content, name)
            elif with_refusal and response.status in REFUSED:
                body = await _read_some(response.content)
            return Reply(name, response.status, response.headers, body, _charset(response))


def _charset(response: aiohttp.ClientResponse) -> str | None:
    """What the header says; aiohttp's own reading of it fails on a bare `charset*`."""
    found = _CHARSET.search(response.headers.get("Content-Type", ""))
    return found and found[1]


async def metered(meter: Meter, api: str, exchanging: Awaitable[Reply]) -> Reply:
    """The same reply, counted with its code and how long it took."""
    began = time.monotonic()
    try:
        reply = await exchanging
    except ProviderError:
        meter.asked(api, None, time.monotonic() - began)
        raise
    meter.asked(api, reply.status, time.monotonic() - began)
    return reply


async def _read(content: aiohttp.StreamReader, name: str) -> bytes:
    body = bytearray()
    async for chunk in content.iter_chunked(2**16):
        body += chunk
        if len(body) > LARGEST_BODY:
            raise OversizeError(f"{name}: the answer is larger than {format_bytes(LARGEST_BODY)}")
    return bytes(body)


async def _read_some(content: aiohttp.StreamReader) -> bytes:
    """What comes of a refusal's words: the status has said already what it means."""
    body = bytearray()
    with suppress(aiohttp.ClientError, OSError):  # a timeout is one too
        async for chunk in content.iter_chunked(2**14):
            body += chunk
            if len(body) >= LARGEST_REFUSAL:
                break
    return bytes(body[:LARGEST_REFUSAL])


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise TroubleError(f"{name}: cannot connect in time", reached=False) from error
    except TimeoutError as error:
        raise TimeoutReplyError(f"{name}: no answer in time") from error
    except aiohttp.ServerDisconnectedError as error:
        raise DisconnectedError(f"{name}: connection closed") from error
    except (aiohttp.ClientConnectionError, OSError) as error:
        reached = not isinstance(error, aiohttp.ClientConnectorError)
        raise TroubleError(f"{name}: {_words(error)}", reached=reached) from error
    except aiohttp.ClientPayloadError as error:
        raise CutError(f"{name}: the answer is cut short") from error
    except aiohttp.ClientError as error:
        raise AnswerError(f"{name}: the answer is not proper HTTP") from error


def _words(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "host not found"
        case aiohttp.ClientSSLError():
            return "no trusted TLS connection"
        case aiohttp.ClientConnectorError():
            return "cannot connect"
        case _:
            return "connection reset"
