"""Sends stored files to readers of any speed, with little memory and never a wrong end."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import BinaryIO, TypeVar

import structlog
from aiohttp import hdrs, web

from orderwatch.core.model import Delivery
from orderwatch.errors import StoredFileError
from orderwatch.web.actions.access import actor_of
from orderwatch.web.files.byte_range import ByteRange
from orderwatch.web.files.headers import file_headers
from orderwatch.web.files.reader import Reader
from orderwatch.web.server.downloads import DOWNLOADS, MAX_DOWNLOADS, STALL_SECONDS
from orderwatch.web.server.sse import DEADLINE, STREAM_RESPONSE

log = structlog.get_logger()

T = TypeVar("T")
Open = Callable[[Delivery], BinaryIO]


class FileSender:
    """Reads files in threads of its own: neither the loop nor a page waits for a slow disk."""

    def __init__(self, open_file: Open) -> None:
        self._open = open_file
        self._threads = ThreadPoolExecutor(MAX_DOWNLOADS, thread_name_prefix="file")

    async def send(
        self, request: web.Request, delivery: Delivery, wanted: ByteRange | None
    ) -> web.StreamResponse:
        """Sends these bytes, or all; answers 410 if the file is not as it was stored."""
        with request.app[DOWNLOADS].slot(request):
            try:
                file = await self._in_thread(lambda: self._open(delivery))
                try:
                    return await self._answer(request, delivery, wanted, file)
                finally:
                    self._threads.submit(file.close)  # waits until a cancelled read has ended
            except StoredFileError as error:
                raise refused(request, delivery, error) from error

    async def _answer(
        self, request: web.Request, delivery: Delivery, wanted: ByteRange | None, file: BinaryIO
    ) -> web.StreamResponse:
        response, span = _response(delivery, wanted), wanted or ByteRange(0, delivery.size or 0)
        if request.method == hdrs.METH_HEAD:
            await response.prepare(request)
            return response
        reader = Reader(file, delivery, span)
        first = await self._in_thread(reader.read)  # proves a small file before anything is sent
        request[STREAM_RESPONSE] = response
        request[DEADLINE].reschedule(None)
        reason: str | None = "the server stopped"
        try:
            reason = await self._stream(request, response, reader, first)
        finally:
            sent = span.stop - span.start - reader.left
            log.info(
                "http.file_sent", **names_of(request, delivery), start=span.start, size=sent, reason=reason
            )
            if reason is not None and request.transport is not None:
                request.transport.abort()  # the client sees that the end is missing
        return response

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, reader: Reader, piece: bytes
    ) -> str | None:
        """Sends piece after piece; returns why it ended early, None if it did not."""
        try:
            await response.prepare(request)
            while piece:
                async with asyncio.timeout(STALL_SECONDS):
                    await response.write(piece)
                    piece = await self._in_thread(reader.read)
        except StoredFileError as error:
            return str(error)
        except TimeoutError:
            return "no progress"
        except ConnectionError:
            return "the connection ended"
        return None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _response(delivery: Delivery, wanted: ByteRange | None) -> web.StreamResponse:
    size = delivery.size or 0
    response = web.StreamResponse(headers=file_headers(delivery))
    response.content_length = size
    if wanted is not None:
        response.set_status(HTTPStatus.PARTIAL_CONTENT)
        response.content_length = wanted.stop - wanted.start
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
    response.force_close()
    return response


def refused(request: web.Request, delivery: Delivery, error: StoredFileError) -> web.HTTPGone:
    """Logs that the file is not as it was stored, and returns the answer."""
    log.warning("http.file_refused", **names_of(request, delivery), reason=str(error))
    return web.HTTPGone(text=f"410: {error}\n")


def names_of(request: web.Request, delivery: Delivery) -> dict[str, object]:
    """Returns who requests which file, for the log."""
    return {
        "who": actor_of(request),
        "account": delivery.account,
        "order_id": delivery.order_id,
        "capture_id": delivery.capture_id,
        "scene_id": delivery.scene_id,
        "file": delivery.path,
    }
