"""Bringing the bytes behind a link into a partial: ranges, resume, stalls, redirects."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
from yarl import URL

from orderwatch.core.formatting import format_bytes, format_bytes_pair
from orderwatch.core.model import Delivery
from orderwatch.errors import HostError, TransferError
from orderwatch.http_session import new_session
from orderwatch.ports import UNLIMITED, UNMETERED, Checkpoint, Connections, Fetched, Meter, Start
from orderwatch.ssrf import GuardedResolver
from orderwatch.transfer.http.host_policy import HostPolicy
from orderwatch.transfer.http.partial_writer import PartialWriter
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.http.response import Answer, Body, ByteRange, OtherBytesError, Unchanged, interpret
from orderwatch.transfer.http.segments import (
    ALONE,
    ParallelDownload,
    ParallelOptions,
    Segment,
    SegmentAllocator,
)
from orderwatch.transfer.partial_file import Edition, Partial, open_partial

_HOPS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_READ_AHEAD = 2**17  # bytes; what a connection has read ahead is lost when it breaks
_CONNECT = 15.0  # seconds
_FLOOR_OVER = 2  # times the stall: the stretch over which a host may be slow


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadOptions:
    """What is a stall (seconds without a byte), what is too slow (bytes per second), how files are shared."""

    stall_timeout: float
    min_speed: int = 0
    parallel: ParallelOptions = ALONE


class Downloader:
    """The transport of one account; `folder` holds the partials."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        policy: HostPolicy,
        folder: Path,
        options: DownloadOptions,
        bandwidth: RateLimit,
        *,
        meter: Meter = UNMETERED,
    ) -> None:
        self._session = session
        self._policy = policy
        self._folder = folder
        self._options = options
        self._bandwidth = bandwidth
        self._meter = meter

    def into(self, folder: Path) -> "Downloader":
        """The same for the partials of another tree."""
        return Downloader(
            self._session, self._policy, folder, self._options, self._bandwidth, meter=self._meter
        )

    async def fetch(
        self,
        url: str,
        part: str,
        delivery: Delivery,
        *,
        started: Callable[[Start], Awaitable[None]],
        checkpoint: Checkpoint,
        unless: str | None = None,
        connections: Connections = UNLIMITED,
    ) -> Fetched | None:
        edition = Edition(delivery.total, delivery.validator)
        async with open_partial(self._folder / part, delivery.durable, edition) as partial:
            job = _Job(url, delivery, partial, started, checkpoint, connections)
            if not partial.held.prefix or partial.held.prefix != delivery.total:
                try:
                    answer = await self._attempt(job, unless)
                except OtherBytesError:
                    await partial.restart()
                    answer = await self._attempt(job, unless)
                if isinstance(answer, Unchanged):
                    return None
            return Fetched(partial.held.prefix, await partial.sha256())

    async def _attempt(self, job: "_Job", unless: str | None) -> Answer:
        async with self._answered(job.url, job.wanted, job.delivery, unless) as (response, coming):
            if isinstance(coming, Body):
                await job.begin(coming)
                await self._bring(job, coming, response)
        return coming

    async def _bring(self, job: "_Job", coming: Body, response: aiohttp.ClientResponse) -> None:
        """Take this answer, ask for what it does not bring, over more connections where that is worth it."""
        claims = SegmentAllocator(job.partial.held, coming.total)
        writer = PartialWriter(job.partial, job.edition, job.delivery.attachment, job.checkpoint)

        async def ask(claim: Segment, tend: Callable[[], None] = _nothing) -> None:
            wanted = ByteRange(claim.at, None if claim.stop == coming.total else claim.stop)
            async with self._answered(job.url, wanted, job.delivery) as (answer, piece):
                if not isinstance(piece, Body) or piece.anew:
                    raise TransferError("the download host sends no ranges any more")
                await writer.pour(self._body(answer), claim, tend)

        # Without a validator nothing vouches that all connections bring the same bytes, and one that was
        # wrong before is not believed.
        shared = coming.validator and not job.delivery.refused_sha256
        size = coming.total if coming.total and shared else 0
        crew = ParallelDownload(
            claims,
            size,
            self._options.parallel,
            ask,
            connections=job.connections,
            received=lambda: writer.received,
            clock=asyncio.get_running_loop().time,
        )
        async with writer.kept(), crew.at_work():
            claim = claims.first()
            if claim is not None:
                await writer.pour(self._body(response), claim, crew.tend)
            while claim is not None:
                if claim.left:
                    had, total = format_bytes_pair(claim.at, coming.total)
                    raise TransferError(f"the download ended after {had} of {total}")
                claims.release(claim)
                claim = claims.first() or await crew.left_over()
                if claim is not None:
                    await ask(claim, crew.tend)

    def _body(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        return self._bandwidth.slowed(self._watched(response.content.iter_any()))

    async def _watched(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes; `TransferError` where they come more slowly than the floor."""
        clock = asyncio.get_running_loop().time
        waited, came, asked = 0.0, 0, clock()
        async for chunk in chunks:
            waited += clock() - asked
            came += len(chunk)
            self._meter.received(len(chunk))
            yield chunk
            if waited >= _FLOOR_OVER * self._options.stall_timeout:
                if came < self._options.min_speed * waited:
                    raise TransferError(f"the download is too slow: {format_bytes(came)} in {waited:.0f} s")
                waited, came = 0.0, 0
            asked = clock()  # what the reader does with a chunk is not the host's slowness

    @asynccontextmanager
    async def _answered(
        self, url: str, wanted: ByteRange | None, delivery: Delivery, unless: str | None = None
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, Answer]]:
        headers = {"Accept-Encoding": "identity"}
        if wanted is not None:
            headers["Range"] = wanted.header
            if delivery.validator:
                headers["If-Range"] = delivery.validator
        elif unless:
            headers["If-None-Match"] = unless
        async with _translated(), self._get(_link(url), headers) as response:
            yield response, interpret(response.status, response.headers, wanted, delivery, unless)

    @asynccontextmanager
    async def _get(self, link: URL, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        for hop in range(_HOPS + 1):
            await self._policy.check(link)
            response = await self._asked(link, headers, reached=hop > 0)
            async with response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or location is None:
                    yield response
                    return
                link = link.join(_link(location))
        raise TransferError(f"more than {_HOPS} redirects")

    async def _asked(self, link: URL, headers: dict[str, str], *, reached: bool) -> aiohttp.ClientResponse:
        """`reached`: the host of the delivery's link has answered, and led here."""
        began = time.monotonic()
        try:
            async with _translated(reached=reached), asyncio.timeout(_CONNECT + self._options.stall_timeout):
                # Headers may drip as well.
                response = await self._session.get(link, headers=headers, allow_redirects=False)
        except Exception:
            self._meter.asked("download", None, time.monotonic() - began)
            raise
        self._meter.asked("download", response.status, time.monotonic() - began)
        return response


@dataclass
class _Job:
    """One attempt at one file."""

    url: str
    delivery: Delivery
    partial: Partial
    started: Callable[[Start], Awaitable[None]]
    checkpoint: Checkpoint
    connections: Connections

    @property
    def edition(self) -> Edition:
        return Edition(self.delivery.total, self.delivery.validator)

    @property
    def wanted(self) -> ByteRange | None:
        """The first gap, where anything of the file is there."""
        held, total = self.partial.held, self.delivery.total
        if not held.spans:
            return None
        if total is None:
            return ByteRange(held.prefix)
        start, stop = held.gaps(total)[0]
        return ByteRange(start, None if stop == total else stop)

    async def begin(self, coming: Body) -> None:
        """Let go of what is not continued, and freeze what the server said before the first byte."""
        if coming.anew and self.partial.held.spans:
            await self.partial.restart()
        held = self.partial.held
        self.delivery = replace(self.delivery, total=coming.total, validator=coming.validator)
        await self.started(
            Start(offset=held.prefix, held=held.total, total=coming.total, validator=coming.validator)
        )


@asynccontextmanager
async def open_downloader(
    api_host: str, folder: Path, options: DownloadOptions, bandwidth: RateLimit, *, meter: Meter = UNMETERED
) -> AsyncIterator[Downloader]:
    """A downloader with a session of its own."""
    policy = HostPolicy(api_host)
    connector = aiohttp.TCPConnector(resolver=GuardedResolver(policy), limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=options.stall_timeout)
    async with new_session(connector, timeout, auto_decompress=False, read_bufsize=_READ_AHEAD) as session:
        yield Downloader(session, policy, folder, options, bandwidth, meter=meter)


def _nothing() -> None:
    pass


def _link(text: str) -> URL:
    try:
        return URL(text, encoded=True)  # decoding and encoding again would break a signature
    except ValueError as error:
        raise TransferError("the link is not a URL") from error


@asynccontextmanager
async def _translated(*, reached: bool = True) -> AsyncIterator[None]:
    """Foreign errors in our words; theirs hold the link with its token. `reached`: the host answered."""
    try:
        yield
    except TimeoutError as error:
        raise HostError("the download stalled", reached=reached) from error
    except aiohttp.ClientPayloadError as error:
        raise HostError("the download was cut", reached=reached) from error
    except aiohttp.ClientConnectorError as error:
        text = f"the download host cannot be reached: {error.strerror or 'no route'}"
        raise HostError(text, reached=reached) from error
    except ValueError as error:  # a link that is none, too
        raise TransferError(f"the download failed: {type(error).__name__}") from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise HostError(f"the download failed: {type(error).__name__}", reached=reached) from error
