"""Putting bytes on the wire, honestly or as a fault asks."""

import asyncio
import socket
import struct
from collections.abc import Iterator

import orjson
from aiohttp import hdrs, web
from yarl import URL

from orderwatch.simulator.attachments import Readable, Small
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.journal import ENTRY
from orderwatch.simulator.lies import LIES, MISPRINTS, Huge, ListLies

PIECE = 256 * 1024
_PIECES_PER_SECOND = 20  # with a limited rate: small enough for a lively progress bar
_FLIPPED = 16  # bytes
_REFUSALS = 400  # and above: answers that no lie is told about
_UNDERWAY = 0.05  # seconds: time for the bytes before a reset to leave this machine
_HTML = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>\n"


def json_response(document: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")


async def instead(request: web.Request, fault: Fault) -> web.StreamResponse | None:
    """What is answered in place of the truth; None, perhaps after a while, when the truth still follows."""
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
        case "reset" if fault.at is None:
            hang_up(request, reset=True)
            return web.Response()
        case _:
            pass
    return None


async def spoiled(
    request: web.Request, answer: web.Response, fault: Fault, elsewhere: str
) -> web.StreamResponse:
    """A true JSON answer, spoiled on its way out; `elsewhere` is an origin that is not the API's."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    if fault.kind in LIES and answer.status < _REFUSALS:
        lie = LIES[fault.kind](orjson.loads(body), ListLies(request.url, URL(elsewhere), fault.word))
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
    if fault.kind != "huge":  # whose length is not told: its reader has to count
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
    """The bytes of `span`, at most `rate` of them per second (0 is no limit)."""
    await asyncio.to_thread(content.prepare)
    await response.prepare(request)
    entry = request[ENTRY]
    entry.status = response.status
    stop = span.start + fault.place(len(span)) if fault is not None else span.stop
    loop = asyncio.get_running_loop()
    due = loop.time()
    for piece in _pieces(span, stop, _step(rate, fault)):
        if piece.start == stop and fault is not None and await _interrupted(request, fault):
            return response
        data = content.read(piece.start, len(piece))
        if fault is not None and fault.kind == "corrupt":
            data = _flipped(data, piece, min(fault.place(content.size), content.size - _FLIPPED))
        await response.write(data)
        entry.sent += len(data)
        due += _pause(len(piece), rate, fault)
        await asyncio.sleep(due - loop.time())
    return response


def hang_up(request: web.Request, *, reset: bool = False) -> None:
    """Closes the connection under the answer; with `reset` by RST, which drops what was not sent yet."""
    transport = request.transport
    if transport is None:  # the client was faster
        return
    if reset:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


async def _interrupted(request: web.Request, fault: Fault) -> bool:
    """Does what the fault wants at its place; True when that was the end of the answer."""
    match fault.kind:
        case "stall":
            await asyncio.sleep(fault.seconds)
        case "cut":
            hang_up(request)
            return True
        case "reset":
            await asyncio.sleep(_UNDERWAY)
            hang_up(request, reset=True)
            return True
        case _:
            pass
    return False


def _pieces(span: range, stop: int, step: int) -> Iterator[range]:
    """`span` in pieces of at most `step` bytes, of which one begins at `stop`."""
    start = span.start
    while start < span.stop:
        end = min(start + step, stop if start < stop else span.stop)
        yield range(start, end)
        start = end


def _step(rate: int, fault: Fault | None) -> int:
    if fault is not None and fault.kind == "drip":
        return 1
    return min(PIECE, max(1, rate // _PIECES_PER_SECOND)) if rate else PIECE


def _pause(length: int, rate: int, fault: Fault | None) -> float:
    if fault is not None and fault.kind == "drip":
        return fault.seconds
    return length / rate if rate else 0.0


def _flipped(data: bytes, piece: range, place: int) -> bytes:
    """`data` of this piece of the file, with some bytes from `place` on inverted."""
    start, end = (min(max(edge - piece.start, 0), len(data)) for edge in (place, place + _FLIPPED))
    return data[:start] + bytes(byte ^ 0xFF for byte in data[start:end]) + data[end:]
