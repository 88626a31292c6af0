"""Downloads the bytes behind a link into a partial: resume, minimum speed, parallel connections."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

from orderwatch.core.deliveries.file_version import FileVersion
from orderwatch.core.deliveries.promise import NO_PROMISE, Promise
from orderwatch.core.model import Delivery
from orderwatch.core.network import DIRECT, Network
from orderwatch.errors import DiskError, TransferError
from orderwatch.ports import (
    NO_HEADERS,
    UNLIMITED,
    UNMETERED,
    Checkpoint,
    Connections,
    Fetched,
    Meter,
    SmallFetched,
    SmallFile,
    Start,
)
from orderwatch.transfer.http.job import Job
from orderwatch.transfer.http.link_client import LinkClient, Response, open_link_client
from orderwatch.transfer.http.options import DownloadOptions
from orderwatch.transfer.http.parallel import ParallelDownload
from orderwatch.transfer.http.partial_writer import PartialWriter
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.http.response import (
    Answer,
    Body,
    ByteRange,
    FileChangedError,
    LinkTagError,
    Unchanged,
    interpret,
    may_resume,
    needs_whole_file,
    request_headers,
)
from orderwatch.transfer.http.segments import Segment, SegmentAllocator
from orderwatch.transfer.http.small_files import SmallFiles
from orderwatch.transfer.partial_file import open_partial
from orderwatch.transfer.pools import Pools


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
        pools: Pools | None = None,
        worthwhile: dict[str, int] | None = None,
    ) -> None:
        self._client = client
        self._folder = folder
        self._options = options
        self._bandwidth = bandwidth
        self._meter = meter
        self._pools = pools or Pools()
        self._worthwhile = {} if worthwhile is None else worthwhile  # connections, by host

    def for_folder(self, folder: Path) -> "Downloader":
        """Return the same downloader for the partials of another tree."""
        return Downloader(
            self._client,
            folder,
            self._options,
            self._bandwidth,
            meter=self._meter,
            pools=self._pools,
            worthwhile=self._worthwhile,
        )

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
        promise: Promise = NO_PROMISE,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Fetched | None:
        path, version = self._folder / part, delivery.file_version
        async with open_partial(path, delivery.durable, version, self._pools) as partial:
            job = Job(url, delivery, partial, on_start, checkpoint, connections, promise, headers)
            if not partial.held.prefix or partial.held.prefix != delivery.total:
                answer = await self._request(job, stored)
                if isinstance(answer, Unchanged):
                    return None
            return Fetched(partial.held.prefix, *await partial.digests())

    async def fetch_small(
        self, files: Sequence[SmallFile], connections: Connections = UNLIMITED
    ) -> Sequence[SmallFetched | None]:
        batch = SmallFiles(
            self._client,
            self._folder,
            files,
            writing=self._pools.writing,
            bandwidth=self._bandwidth,
            meter=self._meter,
        )
        return await batch.fetch(self._client.threads, connections, self._options.parallel.connections)

    async def _request(self, job: Job, stored: FileVersion | None) -> Answer:
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
                job.disagreed = job.begun

    async def _attempt(self, job: Job, stored: FileVersion | None) -> Answer:
        requested, known = job.missing_range, job.delivery
        async with self._get(job, requested) as response:
            answer = _answer(response, requested, known, stored)
            if isinstance(answer, Body):
                if mismatch := job.promise.size_mismatch(answer.total, "the download host has"):
                    raise TransferError(mismatch)
                if answer.from_start or requested is None or requested.start == 0:
                    job.check(answer, response.first)
                await job.begin(answer)
                await self._receive(job, answer, response)
        return answer

    def _get(self, job: Job, requested: ByteRange | None) -> AbstractAsyncContextManager[Response]:
        return self._client.get(job.url, request_headers(requested, job.delivery), job.account_headers)

    async def _receive(self, job: Job, body: Body, response: Response) -> None:
        """Write this response, then request what it lacks; use more connections while each adds speed."""
        writer = PartialWriter(job.partial, job.version, job.checkpoint, self._bandwidth, self._meter)
        async with writer.checkpointed():
            with _one_error():
                async with asyncio.TaskGroup() as tasks:
                    saving = tasks.create_task(writer.keep_saving())
                    try:
                        await self._receive_all(job, body, response, writer, tasks)
                    finally:
                        saving.cancel()

    async def _receive_all(
        self, job: Job, body: Body, response: Response, writer: PartialWriter, tasks: asyncio.TaskGroup
    ) -> None:
        segments = SegmentAllocator(job.partial.held, body.total)

        async def fetch(segment: Segment) -> None:
            await self._fetch_segment(job, body, segment, writer)

        # Without a validator nothing proves that all connections serve the same bytes; a fresh file's proves
        # nothing yet. A host whose bytes were wrong before is not trusted to.
        is_proven = body.validator and may_resume(job.delivery)
        may_split = is_proven and not job.disagreed and not job.delivery.refused_sha256
        parallel = ParallelDownload(
            segments,
            body.total if body.total and may_split else 0,
            self._options.parallel,
            fetch,
            tasks,
            connections=job.connections,
            received=lambda: writer.received,
            clock=asyncio.get_running_loop().time,
        )
        segment = segments.take_first()
        adjusting = tasks.create_task(parallel.keep_adjusting(self._worthwhile.get(job.host, 1)))
        try:
            if segment is not None:
                await writer.receive(response, segment)
            while segment is not None:
                segments.release(segment)
                segment = segments.take_first() or await parallel.wait_for_helpers()
                if segment is not None:
                    await fetch(segment)
        finally:
            adjusting.cancel()
            parallel.stop()
        if parallel.is_tried:
            self._worthwhile[job.host] = parallel.worthwhile

    async def _fetch_segment(self, job: Job, body: Body, segment: Segment, writer: PartialWriter) -> None:
        requested = ByteRange(segment.at, None if segment.stop == body.total else segment.stop)
        async with self._get(job, requested) as response:
            answer = _answer(response, requested, job.delivery)
            if not isinstance(answer, Body) or answer.from_start:
                if isinstance(answer, Body) and answer.version.differs_from(body.version):
                    raise FileChangedError("the file behind the link has changed")
                raise TransferError("the download host no longer serves byte ranges")
            await writer.receive(response, segment)


def _answer(
    response: Response, requested: ByteRange | None, delivery: Delivery, stored: FileVersion | None = None
) -> Answer:
    status, headers = response.status, response.headers
    return interpret(status, headers, requested, delivery, stored, is_authorized=response.is_authorized)


@contextmanager
def _one_error() -> Iterator[None]:
    """Raise one error of a group of tasks instead of the group: the disk's before others.

    A group would swallow the cancellation of its task if another task failed meanwhile.
    """
    try:
        yield
    except ExceptionGroup as group:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from group
        raise min(group.exceptions, key=lambda error: not isinstance(error, DiskError)) from None


@asynccontextmanager
async def open_downloader(
    api_host: str,
    folder: Path,
    options: DownloadOptions,
    bandwidth: RateLimit,
    *,
    network: Network = DIRECT,
    meter: Meter = UNMETERED,
    api_scheme: str = "https",
) -> AsyncIterator[Downloader]:
    """Open a downloader with its own connections; `api_host` and `api_scheme` are of the account's API."""
    async with open_link_client(
        api_host,
        stall_timeout=options.stall_timeout,
        min_speed=options.min_speed,
        network=network,
        meter=meter,
        api_scheme=api_scheme,
    ) as client:
        pools = Pools()
        try:
            yield Downloader(client, folder, options, bandwidth, meter=meter, pools=pools)
        finally:
            pools.close()
