"""Bringing the bytes behind a link into a partial: ranges, resume, stalls, redirects."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
from yarl import URL

from orderwatch.core.model import Delivery
from orderwatch.errors import DiskError, TransferError
from orderwatch.ports import Checkpoint, Start
from orderwatch.transfer.answer import Complete, OtherBytesError, check_leading, judge
from orderwatch.transfer.bandwidth import Bandwidth
from orderwatch.transfer.links import GuardedResolver, HostPolicy
from orderwatch.transfer.partial import Partial, open_partial

_HOPS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_READ_AHEAD = 2**17  # bytes; what a connection has read ahead is lost when it breaks
_BUFFER = 4 * 2**20  # bytes gathered for one flush
_STRETCH = 64 * 2**20  # most bytes fetched again after a power cut
_SOONEST = 0.25  # seconds between checkpoints, stretched so that they take at most a twentieth of the time
_SHARE = 20


class Downloader:
    """The transport of one account; `folder` holds the partials."""

    def __init__(
        self, session: aiohttp.ClientSession, policy: HostPolicy, folder: Path, bandwidth: Bandwidth
    ) -> None:
        self._session = session
        self._policy = policy
        self._folder = folder
        self._bandwidth = bandwidth

    def into(self, folder: Path) -> "Downloader":
        """The same for the partials of another tree."""
        return Downloader(self._session, self._policy, folder, self._bandwidth)

    async def fetch(
        self,
        url: str,
        part: str,
        delivery: Delivery,
        *,
        started: Callable[[Start], Awaitable[None]],
        checkpoint: Checkpoint,
    ) -> int:
        async with open_partial(self._folder / part, delivery.durable) as partial:
            if partial.length and partial.length == delivery.total:
                return partial.length
            try:
                return await self._attempt(url, partial, delivery, started, checkpoint)
            except OtherBytesError:
                await partial.restart()
                return await self._attempt(url, partial, delivery, started, checkpoint)

    async def _attempt(
        self,
        url: str,
        partial: Partial,
        delivery: Delivery,
        started: Callable[[Start], Awaitable[None]],
        checkpoint: Checkpoint,
    ) -> int:
        headers = {"Accept-Encoding": "identity"}
        if partial.length:
            headers["Range"] = f"bytes={partial.length}-"
            if delivery.validator:
                headers["If-Range"] = delivery.validator
        async with _translated(), self._get(_link(url), headers) as response:
            start = judge(response.status, response.headers, partial.length, delivery)
            if isinstance(start, Complete):
                return partial.length
            if start.offset == 0 and partial.length:
                await partial.restart()
            await started(start)
            await self._stream(response, partial, delivery, checkpoint)
        if start.total is not None and partial.length != start.total:
            raise TransferError(f"the download ended after {partial.length} of {start.total} bytes")
        return partial.length

    async def _stream(
        self, response: aiohttp.ClientResponse, partial: Partial, delivery: Delivery, checkpoint: Checkpoint
    ) -> None:
        """Write the body; however the connection ends, what came is made durable."""
        clock = asyncio.get_running_loop().time
        parts: list[bytes] = []
        gathered, synced, due = 0, partial.length, clock() + _SOONEST
        try:
            async for chunk in self._bandwidth.slowed(response.content.iter_any()):
                if partial.length + gathered == 0:
                    check_leading(delivery.attachment, chunk)
                parts.append(chunk)
                gathered += len(chunk)
                late = clock() >= due
                if gathered >= _BUFFER or late:
                    await partial.write(parts)
                    parts, gathered = [], 0
                if late or partial.length - synced >= _STRETCH:
                    before = clock()
                    synced = await partial.sync()
                    await checkpoint(synced)
                    due = clock() + max(_SOONEST, _SHARE * (clock() - before))
        except DiskError:
            raise  # what the disk refused is not known to be there
        except asyncio.CancelledError:
            with suppress(DiskError):  # the next attempt will meet it
                await _salvage(partial, parts, synced, checkpoint)
            raise
        except Exception:
            await _salvage(partial, parts, synced, checkpoint)
            raise
        await _salvage(partial, parts, synced, checkpoint)

    @asynccontextmanager
    async def _get(self, link: URL, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        for _ in range(_HOPS + 1):
            await self._policy.check(link)
            async with self._session.get(link, headers=headers, allow_redirects=False) as response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or location is None:
                    yield response
                    return
                link = link.join(_link(location))
        raise TransferError(f"more than {_HOPS} redirects")


@asynccontextmanager
async def open_downloader(
    api_host: str, folder: Path, stall: float, bandwidth: Bandwidth
) -> AsyncIterator[Downloader]:
    """A downloader with a session of its own; `stall` in seconds without a byte drops the connection."""
    policy = HostPolicy(api_host)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=GuardedResolver(policy), limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=stall),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=_READ_AHEAD,
    )
    async with session:
        yield Downloader(session, policy, folder, bandwidth)


async def _salvage(partial: Partial, parts: list[bytes], synced: int, checkpoint: Checkpoint) -> None:
    await partial.write(parts)
    if partial.length > synced:
        await checkpoint(await partial.sync())


def _link(text: str) -> URL:
    try:
        return URL(text, encoded=True)  # decoding and encoding again would break a signature
    except ValueError as error:
        raise TransferError("the link is not a URL") from error


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Foreign errors in our words; theirs hold the link with its token."""
    try:
        yield
    except TimeoutError as error:
        raise TransferError("the download stalled") from error
    except aiohttp.ClientPayloadError as error:
        raise TransferError("the download was cut") from error
    except aiohttp.ClientConnectorError as error:
        raise TransferError(f"the download host cannot be reached: {error.strerror or 'no route'}") from error
    except (aiohttp.ClientError, ValueError, ConnectionError) as error:
        raise TransferError(f"the download failed: {type(error).__name__}") from error
