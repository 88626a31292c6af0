"""Downloads the bytes behind a link into a partial: resume, minimum speed, parallel connections."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from orderwatch.core.deliveries.file_version import FileVersion
from orderwatch.core.formatting import format_bytes, format_bytes_pair
from orderwatch.core.model import Delivery
from orderwatch.errors import TransferError
from orderwatch.ports import UNLIMITED, UNMETERED, Checkpoint, Connections, Fetched, Meter, Start
from orderwatch.transfer.http.first_bytes import check_first_bytes, split_first_bytes
from orderwatch.transfer.http.link_client import LinkClient, open_link_client
from orderwatch.transfer.http.partial_writer import PartialWriter
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.http.response import (
    Answer,
    Body,
    ByteRange,
    FileChangedError,
    LinkTagError,
    Unchanged,
    may_resume,
    needs_whole_file,
)
from orderwatch.transfer.http.segments import (
    SINGLE_CONNECTION,
    ParallelDownload,
    ParallelOptions,
    Segment,
    SegmentAllocator,
)
from orderwatch.transfer.partial_file import Partial, open_partial

_SPEED_WINDOW_STALLS = 2  # a host may be slow for this many times `stall_timeout`


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadOptions:
    """`stall_timeout` in seconds without a byte, `min_speed` in bytes per second."""

    stall_timeout: float
    min_speed: int = 0
    parallel: ParallelOptions = SINGLE_CONNECTION


class Downloader:
    """The transport of one account; `folder` holds the partials."""

    def __init__(
        self,
        client: LinkClient,
        folder: Path,
        options: DownloadOptions,
        bandwidth: RateLimit,
        *,
        meter: Meter = UNMETERED,
    ) -> None:
        self._client = client
        self._folder = folder
        self._options = options
        self._bandwidth = bandwidth
        self._meter = meter

    def for_folder(self, folder: Path) -> "Downloader":
        """Return the same downloader for the partials of another tree."""
        return Downloader(self._client, folder, self._options, self._bandwidth, meter=self._meter)

    async def fetch(
        self,
        url: str,
        part: str,
        delivery: Delivery,
        *,
        on_start: Callable[[Start], Awaitable[None]],
        checkpoint: Checkpoint,
        stored: FileVersion | None = None,
        connections: Connections = UNLIMITED,
    ) -> Fetched | None:
        async with open_partial(self._folder / part, delivery.durable, delivery.file_version) as partial:
            job = _Job(url, delivery, partial, on_start, checkpoint, connections)
            if not partial.held.prefix or partial.held.prefix != delivery.total:
                answer = await self._request(job, stored)
                if isinstance(answer, Unchanged):
                    return None
            return Fetched(partial.held.prefix, await partial.sha256())

    async def _request(self, job: "_Job", stored: FileVersion | None) -> Answer:
        """Request what is missing; again without the link's tag, or without a range, if the host needs it."""
        while True:
            try:
                return await self._attempt(job, stored)
            except LinkTagError:
                job.delivery = job.delivery.described_by(job.version.without_tags())
            except TransferError as error:
                is_too_late = job.begun and not isinstance(error, FileChangedError)
                if is_too_late or job.missing_range is None or not needs_whole_file(error, job.delivery):
                    raise
                job.whole = True

    async def _attempt(self, job: "_Job", stored: FileVersion | None) -> Answer:
        requested = job.missing_range
        async with self._client.get(job.url, requested, job.delivery, stored) as (response, answer):
            if isinstance(answer, Body):
                chunks = self._read_body(response)
                if answer.from_start or requested is None or requested.start == 0:
                    first, chunks = await split_first_bytes(chunks)
                    check_first_bytes(job.delivery, first, answer.doubt)
                await job.begin(answer)
                await self._receive(job, answer, chunks)
        return answer

    async def _receive(self, job: "_Job", body: Body, chunks: AsyncIterator[bytes]) -> None:
        """Write this response, then request what it lacks; use more connections while each adds speed."""
        segments = SegmentAllocator(job.partial.held, body.total)
        writer = PartialWriter(job.partial, job.version, job.checkpoint)

        async def fetch(segment: Segment, on_chunk: Callable[[], None] = _do_nothing) -> None:
            requested = ByteRange(segment.at, None if segment.stop == body.total else segment.stop)
            async with self._client.get(job.url, requested, job.delivery) as (answered, answer):
                if not isinstance(answer, Body) or answer.from_start:
                    raise TransferError("the download host no longer serves byte ranges")
                await writer.write_chunks(self._read_body(answered), segment, on_chunk)

        # Without a validator nothing proves that all connections serve the same bytes. A host whose bytes
        # were wrong before is not trusted to.
        may_split = body.validator and not job.delivery.refused_sha256
        size = body.total if body.total and may_split else 0
        parallel = ParallelDownload(
            segments,
            size,
            self._options.parallel,
            fetch,
            connections=job.connections,
            received=lambda: writer.received,
            clock=asyncio.get_running_loop().time,
        )
        async with writer.checkpointed(), parallel.running():
            segment = segments.take_first()
            if segment is not None:
                await writer.write_chunks(chunks, segment, parallel.adjust)
            while segment is not None:
                if segment.left:
                    received, total = format_bytes_pair(segment.at, body.total)
                    raise TransferError(f"the download ended after {received} of {total}")
                segments.release(segment)
                segment = segments.take_first() or await parallel.wait_for_helpers()
                if segment is not None:
                    await fetch(segment, parallel.adjust)

    def _read_body(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        return self._bandwidth.throttle(self._enforce_min_speed(response.content.iter_any()))

    async def _enforce_min_speed(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the same bytes; raises `TransferError` if they arrive more slowly than `min_speed`."""
        clock = asyncio.get_running_loop().time
        waited, received, since = 0.0, 0, clock()
        async for chunk in chunks:
            waited += clock() - since
            received += len(chunk)
            self._meter.received(len(chunk))
            yield chunk
            if waited >= _SPEED_WINDOW_STALLS * self._options.stall_timeout:
                if received < self._options.min_speed * waited:
                    raise TransferError(
                        f"the download is too slow: {format_bytes(received)} in {waited:.0f} s"
                    )
                waited, received = 0.0, 0
            since = clock()  # the time that the reader spends on a chunk does not count


@dataclass
class _Job:
    """One attempt at one file."""

    url: str
    delivery: Delivery
    partial: Partial
    on_start: Callable[[Start], Awaitable[None]]
    checkpoint: Checkpoint
    connections: Connections
    begun: bool = False
    whole: bool = False  # the host has other bytes, or dislikes ranges

    @property
    def version(self) -> FileVersion:
        return self.delivery.file_version

    @property
    def missing_range(self) -> ByteRange | None:
        """The first gap; None to request the whole file."""
        held, total = self.partial.held, self.delivery.total
        if self.whole or not held.spans or not may_resume(self.delivery):
            return None
        if total is None:
            return ByteRange(held.prefix)
        start, stop = held.gaps(total)[0]
        return ByteRange(start, None if stop == total else stop)

    async def begin(self, body: Body) -> None:
        """Drop bytes that are not continued, and record the server's metadata before the first byte."""
        if body.from_start and self.partial.held.spans:
            await self.partial.restart()
        held = self.partial.held
        self.begun = True
        self.delivery = self.delivery.described_by(body.version)
        await self.on_start(Start(offset=held.prefix, held=held.total, version=body.version))


@asynccontextmanager
async def open_downloader(
    api_host: str, folder: Path, options: DownloadOptions, bandwidth: RateLimit, *, meter: Meter = UNMETERED
) -> AsyncIterator[Downloader]:
    """Open a downloader with its own session."""
    async with open_link_client(api_host, stall_timeout=options.stall_timeout, meter=meter) as client:
        yield Downloader(client, folder, options, bandwidth, meter=meter)


def _do_nothing() -> None:
    pass
