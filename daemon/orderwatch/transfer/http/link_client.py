"""Requests to delivery links, each in a thread of libcurl; connections are kept for later requests."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from orderwatch.cancellation import shielded
from orderwatch.core.network import DIRECT, Network
from orderwatch.errors import TransferError
from orderwatch.ports import NO_HEADERS, UNMETERED, Meter
from orderwatch.transfer.http.exchange import Exchange, Head, Sink
from orderwatch.transfer.http.handles import HandlePool
from orderwatch.transfer.http.host_policy import HostPolicy
from orderwatch.transfer.http.stall_watch import Limits

_CONNECT_TIMEOUT_SECONDS = 15.0
_MAX_CONNECTIONS = 256


class Response:
    """The head of a response, and its body, which is still to come."""

    def __init__(self, head: Head, exchange: Exchange, ended: "asyncio.Future[None]") -> None:
        self.status = head.status
        self.headers = head.headers
        self.first = head.first
        self.is_authorized = head.is_authorized
        self.exchange = exchange
        self._ended = ended

    async def read_into(self, sink: Sink) -> None:
        """Let the body flow into the sink until its end. Raises `TransferError`."""
        self.exchange.accept(sink)
        await shielded(_result(self._ended), hurry=self.exchange.abort)


class LinkClient:
    """The connections of one account's downloads. Raises `TransferError`."""

    def __init__(
        self, policy: HostPolicy, handles: HandlePool, limits: Limits, *, meter: Meter = UNMETERED
    ) -> None:
        self.policy = policy
        self.handles = handles
        self.limits = limits
        self._meter = meter
        self.threads = ThreadPoolExecutor(_MAX_CONNECTIONS, thread_name_prefix="download")

    @asynccontextmanager
    async def get(
        self, url: str, headers: Mapping[str, str], account_headers: Mapping[str, str] = NO_HEADERS
    ) -> AsyncIterator[Response]:
        """Send a request; yields the response. Its body ends with the context.

        Another origin than the link's does not receive the account's headers.
        """
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Head] = loop.create_future()

        def on_head(head: Head) -> None:
            loop.call_soon_threadsafe(_set_result, answered, head)

        exchange = Exchange(self.policy, self.limits, on_head, partial(self._meter.requested, "download"))
        running = self._start(exchange, url, headers, account_headers)
        ended = asyncio.wrap_future(running)
        try:
            both: list[asyncio.Future[Any]] = [answered, ended]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not answered.done():
                await ended  # raises: an exchange that ends well has had a head
            yield Response(answered.result(), exchange, ended)
        finally:
            exchange.abort()
            running.cancel()  # while it waits for a thread
            await shielded(_end(ended))

    def close(self) -> None:
        """Close the idle connections."""
        self.threads.shutdown(wait=False)
        self.handles.close()

    def _start(self, exchange: Exchange, url: str, *headers: Mapping[str, str]) -> "Future[None]":
        try:
            return self.threads.submit(self._run, exchange, url, *headers)
        except RuntimeError as error:
            exchange.abort()  # another thread may take it up
            raise TransferError("the system has no thread for the download") from error

    def _run(self, exchange: Exchange, url: str, *headers: Mapping[str, str]) -> None:
        with self.handles.handle() as handle:
            exchange.run(handle, url, *headers)


@asynccontextmanager
async def open_link_client(
    api_host: str,
    *,
    stall_timeout: float,
    min_speed: int = 0,
    network: Network = DIRECT,
    meter: Meter = UNMETERED,
    api_scheme: str = "https",
) -> AsyncIterator[LinkClient]:
    """Open a client for downloads; `api_host` is the account's API host, trusted by the host policy."""
    limits = Limits(stall=stall_timeout, connect=_CONNECT_TIMEOUT_SECONDS, min_speed=min_speed)
    policy = HostPolicy(api_host, network, api_scheme=api_scheme)
    client = LinkClient(policy, HandlePool(network.ca_pem), limits, meter=meter)
    try:
        yield client
    finally:
        client.close()


def _set_result(answered: "asyncio.Future[Head]", head: Head) -> None:
    if not answered.done():
        answered.set_result(head)


async def _result(ended: "asyncio.Future[None]") -> None:
    await asyncio.shield(ended)  # a cancel ends this task, not the thread


async def _end(ended: "asyncio.Future[None]") -> None:
    await asyncio.wait([ended])
    if not ended.cancelled():
        ended.exception()  # retrieved: whoever reads the body has raised it
