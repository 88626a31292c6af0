"""Sends responses, true or altered by a fault."""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import orjson
from aiohttp import hdrs, web
from yarl import URL

from orderwatch.simulator.attachments import Readable, Small
from orderwatch.simulator.documents import Document
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.journal import ENTRY
from orderwatch.simulator.lies import LIES, MISPRINTS, Huge, LieContext
from orderwatch.simulator.scenario import Scenario

CHUNK_BYTES = 256 * 1024
_CHUNKS_PER_SECOND = 20  # with a limited rate
_FLIPPED_BYTES = 16
_FIRST_ERROR_STATUS = 400  # no lies about errors
_RESET_DELAY_SECONDS = 0.05  # for the bytes before a reset to be sent
_HTML = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>\n"

T = TypeVar("T")


def json_response(document: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")


def page(
    scenario: Scenario, request: web.Request, rows: Sequence[T], show: Callable[[T], Document]
) -> web.Response:
    """Return a page of a list; shows only its own rows, as the provider's framework does."""
    limit = min(number(request, "limit") or scenario.page_size, scenario.page_max)
    offset = number(request, "offset")

    def url(start: int) -> str:
        return str(request.url.update_query(limit=limit, offset=start))

    return json_response(
        {
            "count": len(rows),
            "next": url(offset + limit) if offset + limit < len(rows) else None,
            "previous": url(max(0, offset - limit)) if offset else None,
            "results": [show(row) for row in rows[offset : offset + limit]],
        }
    )


def number(request: web.Request, name: str) -> int:
    """Return a number of the query; 0 if it is missing or invalid, as in the provider's framework."""
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else 0


async def instead(request: web.Request, fault: Fault) -> web.StreamResponse | None:
    """Return the response that replaces the true one; None, perhaps after a delay, to send the true one."""
    match fault.kind:
        case "delay":
            await asyncio.sleep(fault.seconds)
        case "status":
            answer = json_response({"message": "simulated fault"}, fault.code)
            if fault.retry_after is not None:
                answer.headers[hdrs.RETRY_AFTER] = str(fault.retry_after)
            return answer
        case "html":
            return web.Response(text=_HTML, content_type="text/html")
        case "html_error":
            return web.Response(text=_HTML, content_type="text/html", status=fault.code)
        case "reset" if fault.at is None:
            hang_up(request, reset=True)
            return web.Response()
        case _:
            pass
    return None


async def spoiled(
    request: web.Request, answer: web.Response, fault: Fault, elsewhere: str
) -> web.StreamResponse:
    """Send a true JSON response altered by the fault; `elsewhere` is a foreign origin."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    if fault.kind in LIES and answer.status < _FIRST_ERROR_STATUS:
        lie = LIES[fault.kind](orjson.loads(body), LieContext(request.url, URL(elsewhere), fault.word))
        body = orjson.dumps(lie)
    elif fault.kind in MISPRINTS:
        body = MISPRINTS[fault.kind](body)
    elif fault.kind == "malformed":
        body = body[: len(body) // 2]
    content = Huge(body) if fault.kind == "huge" else Small(body)
    response = web.StreamResponse(status=answer.status)
    response.content_type = answer.content_type
    if fault.kind == "cached":
        response.headers[hdrs.AGE] = str(int(fault.seconds))
    if fault.kind != "huge":  # without a length: the reader has to count
        response.content_length = content.size
    return await pour(request, response, content, range(content.size), fault=fault)


async def pour(
    request: web.Request,
    response: web.StreamResponse,
    content: Readable,
    span: range,
    *,
    rate: int = 0,
    fault: Fault | None = None,
) -> web.StreamResponse:
    """Send the bytes of `span`, at most `rate` per second (0 = unlimited)."""
    await asyncio.to_thread(content.prepare)
    await response.prepare(request)
    entry = request[ENTRY]
    entry.status = response.status
    stop = span.start + fault.place(len(span)) if fault is not None else span.stop
    loop = asyncio.get_running_loop()
    due = loop.time()
    for chunk in _chunks(span, stop, _step(rate, fault)):
        if chunk.start == stop and fault is not None and await _interrupted(request, fault):
            return response
        data = content.read(chunk.start, len(chunk))
        if fault is not None and fault.kind == "corrupt":
            data = _flipped(data, chunk, min(fault.place(content.size), content.size - _FLIPPED_BYTES))
        await response.write(data)
        entry.sent += len(data)
        due += _pause(len(chunk), rate, fault)
        await asyncio.sleep(due - loop.time())
    return response


def hang_up(request: web.Request, *, reset: bool = False) -> None:
    """Close the connection; with `reset` by RST, which drops unsent bytes."""
    transport = request.transport
    if transport is None:  # the client closed it first
        return
    if reset:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


async def _interrupted(request: web.Request, fault: Fault) -> bool:
    """Carry out the fault at its position; return True if it ended the response."""
    match fault.kind:
        case "stall":
            await asyncio.sleep(fault.seconds)
        case "cut":
            hang_up(request)
            return True
        case "reset":
            await asyncio.sleep(_RESET_DELAY_SECONDS)
            hang_up(request, reset=True)
            return True
        case _:
            pass
    return False


def _chunks(span: range, stop: int, step: int) -> Iterator[range]:
    """Yield `span` in chunks of at most `step` bytes; one begins at `stop`."""
    start = span.start
    while start < span.stop:
        end = min(start + step, stop if start < stop else span.stop)
        yield range(start, end)
        start = end


def _step(rate: int, fault: Fault | None) -> int:
    if fault is not None and fault.kind == "drip":
        return 1
    return min(CHUNK_BYTES, max(1, rate // _CHUNKS_PER_SECOND)) if rate else CHUNK_BYTES


def _pause(length: int, rate: int, fault: Fault | None) -> float:
    if fault is not None and fault.kind == "drip":
        return fault.seconds
    return length / rate if rate else 0.0


def _flipped(data: bytes, chunk: range, place: int) -> bytes:
    """Return the data of this chunk with some bytes from `place` on inverted."""
    start, end = (min(max(edge - chunk.start, 0), len(data)) for edge in (place, place + _FLIPPED_BYTES))
    return data[:start] + bytes(byte ^ 0xFF for byte in data[start:end]) + data[end:]
