"""Requests to delivery links, each in a thread of libcurl; connections are kept for later requests."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pycurl

from orderwatch.cancellation import shielded
from orderwatch.ports import UNMETERED, Meter
from orderwatch.transfer.http.exchange import Exchange, Head, Limits, Sink
from orderwatch.transfer.http.host_policy import HostPolicy

_CONNECT_TIMEOUT_SECONDS = 15.0
_READ_BUFFER_BYTES = 512 * 1024
_MAX_CONNECTIONS = 256


class Response:
    """The head of a response, and its body, which is still to come."""

    def __init__(self, head: Head, exchange: Exchange, ended: "asyncio.Future[None]") -> None:
        self.status = head.status
        self.headers = head.headers
        self.first = head.first
        self.exchange = exchange
        self._ended = ended

    async def read_into(self, sink: Sink) -> None:
        """Let the body flow into the sink until its end. Raises `TransferError`."""
        self.exchange.accept(sink)
        await shielded(_result(self._ended), hurry=self.exchange.abort)


class LinkClient:
    """The connections of one account's downloads. Raises `TransferError`."""

    def __init__(self, policy: HostPolicy, limits: Limits, *, meter: Meter = UNMETERED) -> None:
        self._policy = policy
        self._limits = limits
        self._meter = meter
        self._idle: list[pycurl.Curl] = []
        self._threads = ThreadPoolExecutor(_MAX_CONNECTIONS, thread_name_prefix="download")

    @asynccontextmanager
    async def get(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[Response]:
        """Send a request; yields the response. Its body ends with the context."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Head] = loop.create_future()

        def on_head(head: Head) -> None:
            loop.call_soon_threadsafe(_set_result, answered, head)

        exchange = Exchange(self._policy, self._limits, on_head, partial(self._meter.requested, "download"))
        ended = asyncio.wrap_future(self._threads.submit(self._run, exchange, url, headers))
        try:
            both: list[asyncio.Future[Any]] = [answered, ended]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not answered.done():
                await ended  # raises: an exchange that ends well has had a head
            yield Response(answered.result(), exchange, ended)
        finally:
            exchange.abort()
            await shielded(_end(ended))

    def close(self) -> None:
        """Close the idle connections."""
        self._threads.shutdown(wait=False)
        while self._idle:
            self._idle.pop().close()

    def _run(self, exchange: Exchange, url: str, headers: Mapping[str, str]) -> None:
        handle = self._idle.pop() if self._idle else pycurl.Curl()
        try:
            _prepare(handle)
            exchange.run(handle, url, headers)
        finally:
            handle.reset()  # keeps its connections; drops the callbacks
            self._idle.append(handle)


@asynccontextmanager
async def open_link_client(
    api_host: str, *, stall_timeout: float, min_speed: int = 0, meter: Meter = UNMETERED
) -> AsyncIterator[LinkClient]:
    """Open a client for downloads; `api_host` is the account's API host, trusted by the host policy."""
    limits = Limits(stall=stall_timeout, connect=_CONNECT_TIMEOUT_SECONDS, min_speed=min_speed)
    client = LinkClient(HostPolicy(api_host), limits, meter=meter)
    try:
        yield client
    finally:
        client.close()


def _prepare(handle: pycurl.Curl) -> None:
    """Set what all requests share: nothing from the environment, no cookie of an earlier download."""
    trusted = ssl.get_default_verify_paths()
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.NOPROGRESS, 0)
    handle.setopt(pycurl.PROXY, "")
    handle.setopt(pycurl.USERAGENT, "orderwatch")
    handle.setopt(pycurl.BUFFERSIZE, _READ_BUFFER_BYTES)
    handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    handle.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
    if trusted.cafile:
        handle.setopt(pycurl.CAINFO, trusted.cafile)
    if trusted.capath:
        handle.setopt(pycurl.CAPATH, trusted.capath)
    handle.setopt(pycurl.COOKIEFILE, "")
    handle.setopt(pycurl.COOKIELIST, "ALL")


def _set_result(answered: "asyncio.Future[Head]", head: Head) -> None:
    if not answered.done():
        answered.set_result(head)


async def _result(ended: "asyncio.Future[None]") -> None:
    await ended


async def _end(ended: "asyncio.Future[None]") -> None:
    await asyncio.wait([ended])
    if not ended.cancelled():
        ended.exception()  # retrieved: whoever reads the body has raised it
