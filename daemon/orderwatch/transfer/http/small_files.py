"""Downloads small files side by side: each is whole in memory, and then durable, before the next begins."""

import asyncio
import hashlib
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from orderwatch.cancellation import shielded
from orderwatch.errors import (
    BusyHostError,
    DiskError,
    HostError,
    LinkExpiredError,
    OrderwatchError,
    TransferError,
)
from orderwatch.ports import MAX_SMALL_BYTES, Checked, Connections, Fetched, Meter, SmallFetched, SmallFile
from orderwatch.transfer.fsops import translate_os_errors, write_durable
from orderwatch.transfer.http.exchange import Exchange, Head
from orderwatch.transfer.http.first_bytes import check_first_bytes
from orderwatch.transfer.http.link_client import LinkClient
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.http.response import Body, interpret, request_headers
from orderwatch.transfer.kinds.check import check_file
from orderwatch.transfer.partial_file import control_file


class SmallFiles:
    """One batch of small files of one host. `folder` holds the partials."""

    def __init__(
        self,
        client: LinkClient,
        folder: Path,
        files: Sequence[SmallFile],
        *,
        writing: threading.Semaphore,
        bandwidth: RateLimit,
        meter: Meter,
    ) -> None:
        self._client = client
        self._folder = folder
        self._writing = writing
        self._bandwidth = bandwidth
        self._meter = meter
        self._results: list[SmallFetched | None] = [None] * len(files)
        self._waiting: queue.SimpleQueue[tuple[int, SmallFile]] = queue.SimpleQueue()
        for numbered in enumerate(files):
            self._waiting.put(numbered)
        self._exchanges: set[Exchange] = set()
        self._stop = threading.Event()

    async def fetch(
        self, threads: ThreadPoolExecutor, connections: Connections, most: int
    ) -> Sequence[SmallFetched | None]:
        """Download them over up to `most` connections; None for each that needs an attempt of its own."""
        loop = asyncio.get_running_loop()
        others = 0
        while others + 1 < min(most, len(self._results)) and connections.acquire():
            others += 1
        try:
            on_refused = partial(loop.call_soon_threadsafe, connections.on_refused)
            lanes = [loop.run_in_executor(threads, self._run_lane)]
            lanes += [loop.run_in_executor(threads, self._run_lane, on_refused) for _ in range(others)]
            # Every lane has ended before the caller tries one of the files again.
            ended = await shielded(asyncio.gather(*lanes, return_exceptions=True), hurry=self._halt)
        finally:
            for _ in range(others):
                connections.release()
        for error in filter(None, ended):
            raise error
        return self._results

    def _halt(self) -> None:
        self._stop.set()
        for exchange in tuple(self._exchanges):
            exchange.abort()

    def _run_lane(self, on_refused: Callable[[], object] = lambda: None) -> None:
        """Download one file after another until the host fails: attempts at single files decide the rest.

        A lane whose connection is one too many leaves its file to the others.
        """
        while not self._stop.is_set():
            try:
                number, file = self._waiting.get_nowait()
            except queue.Empty:
                return
            try:
                self._results[number] = self._fetch_one(file)
            except BusyHostError as error:
                self._waiting.put((number, file))
                on_refused()
                if error.wait:
                    self._stop.set()
                return
            except (HostError, LinkExpiredError, DiskError):
                self._stop.set()
            except (OrderwatchError, InterruptedError):
                continue

    def _fetch_one(self, file: SmallFile) -> SmallFetched | None:
        body, content = self._download(file)
        if body is None:
            return None
        path = self._folder / file.part
        fetched = Fetched(len(content), hashlib.sha256(content).hexdigest())
        with self._writing:
            with translate_os_errors("cannot write the partial"):
                path.unlink(missing_ok=True)  # never into the file of an earlier attempt: it may be published
                control_file(path).unlink(missing_ok=True)
                write_durable(path, content)
            check_file(path, file.delivery, fetched, self._stop, file.promise)
        return SmallFetched(Checked(size=fetched.size, sha256=fetched.sha256), body.version)

    def _download(self, file: SmallFile) -> tuple[Body | None, bytes]:
        """Return the answer and the file; no answer if the file is not small."""
        found: list[Body] = []
        sink = _Memory()

        def on_head(head: Head) -> None:
            answer = interpret(
                head.status, head.headers, None, file.delivery, is_authorized=head.is_authorized
            )
            if isinstance(answer, Body) and (answer.total or 0) <= MAX_SMALL_BYTES:
                if mismatch := file.promise.size_mismatch(answer.total, "the download host has"):
                    raise TransferError(mismatch)
                check_first_bytes(file.delivery, head.first, answer.doubt, file.promise, answer.total)
                found.append(answer)
                exchange.accept(sink)
            else:
                exchange.abort()

        exchange = Exchange(
            self._client.policy, self._client.limits, on_head, partial(self._meter.requested, "download")
        )
        self._exchanges.add(exchange)
        if self._stop.is_set():  # too late for `_halt`
            exchange.abort()
        try:
            with self._client.handles.handle() as handle:
                exchange.run(handle, file.url, request_headers(None, file.delivery), file.headers)
        finally:
            self._exchanges.discard(exchange)
        if sink.is_full:
            return None, b""
        content = b"".join(sink.chunks)
        for _ in self._bandwidth.throttle(content, exchange.wait):
            pass
        self._meter.received(len(content))
        return (found[0] if found else None), content


class _Memory:
    """Keeps the bytes of a small body."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.is_full = False
        self._size = 0

    def add(self, chunk: bytes) -> bool:
        self._size += len(chunk)
        self.is_full = self._size > MAX_SMALL_BYTES
        if not self.is_full:
            self.chunks.append(chunk)
        return not self.is_full

    def write(self, chunk: bytes) -> bool:
        return self.add(chunk)

    def flush(self) -> bool:
        return True
