"""Server-sent events over real sockets: how they look, how they end, and how many there are."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from aiohttp import web
from structlog.testing import LogCapture
from tests.logs import events
from tests.web.stub_pages import pages_with

from orderwatch.web.server import sse
from orderwatch.web.server.app import serving
from orderwatch.web.server.sse import Send, event_stream, format_event

__all__ = ["events"]

Body = Callable[[Send], Awaitable[None]]


@asynccontextmanager
async def streams_of(body: Body) -> AsyncIterator[int]:
    """A server with `body` at /stream; yields the port."""

    async def handler(request: web.Request) -> web.StreamResponse:
        async with event_stream(request) as send:
            await body(send)
        return send.response

    def routes(app: web.Application) -> None:
        app.router.add_get("/stream", handler)

    async with serving("127.0.0.1:0", pages_with(routes)) as port:
        yield port


async def for_ever(_: Send) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def asked(port: int, path: str = "/stream", method: str = "GET") -> AsyncIterator[asyncio.StreamReader]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    try:
        yield reader
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def begun(reader: asyncio.StreamReader) -> None:
    await reader.readuntil(b"retry: 3000\n\n")


async def whole(port: int, path: str = "/stream", method: str = "GET") -> bytes:
    async with asked(port, path, method) as reader:
        return await reader.read()


async def test_events_come_as_browsers_read_them() -> None:
    async def body(send: Send) -> None:
        await send(format_event("one\ntwo\r\nthree", event="order", id=7))
        await send(format_event("Ünï\u2028"))

    async with streams_of(body) as port:
        answer = await whole(port)
    head, _, sent = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Type: text/event-stream; charset=utf-8" in head
    assert b"Cache-Control: no-store" in head
    for event in (
        b"retry: 3000\n\n",
        b"id: 7\nevent: order\ndata: one\ndata: two\ndata: three\n\n",
        "data: Ünï\u2028\n\n".encode(),
    ):
        assert event in sent
    assert sent.endswith(b"0\r\n\r\n")


async def test_head_is_answered_without_a_stream() -> None:
    async with streams_of(for_ever) as port:
        answer = await whole(port, method="HEAD")
    assert b"text/event-stream" in answer
    assert b"retry" not in answer


async def test_a_stream_outlives_the_time_of_plain_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, passed = asyncio.get_running_loop(), 0.0
    steady = loop.time
    monkeypatch.setattr(loop, "time", lambda: steady() + passed)

    async def body(send: Send) -> None:
        nonlocal passed
        for _ in range(3):  # what ends a plain answer's connection comes in steps
            passed += 3600
            for _ in range(5):
                await asyncio.sleep(0)
        await send(format_event("still here"))

    async with streams_of(body) as port:
        assert b"data: still here" in await whole(port)


async def test_the_server_ends_its_streams_when_it_closes() -> None:
    async with AsyncExitStack() as viewer:
        async with streams_of(for_ever) as port:
            reader = await viewer.enter_async_context(asked(port))
            await begun(reader)
        assert (await reader.read()).endswith(b"0\r\n\r\n")  # a whole answer: not cut off


async def test_a_comment_comes_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_KEEPALIVE_SECONDS", 0.01)
    async with streams_of(for_ever) as port, asked(port) as reader:
        await reader.readuntil(b"\n:\n\n")


async def test_a_viewer_that_leaves_ends_the_handler(
    monkeypatch: pytest.MonkeyPatch, events: LogCapture
) -> None:
    monkeypatch.setattr(sse, "_KEEPALIVE_SECONDS", 0.01)
    ended = asyncio.Event()

    async def body(_: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with streams_of(body) as port:
        async with asked(port) as reader:
            await begun(reader)
        await ended.wait()
    assert events.entries == []


async def test_a_viewer_that_takes_nothing_is_dropped(
    monkeypatch: pytest.MonkeyPatch, events: LogCapture
) -> None:
    monkeypatch.setattr(sse, "_WRITE_TIMEOUT_SECONDS", 0.05)
    ended = asyncio.Event()

    async def body(send: Send) -> None:
        try:
            while True:
                await send(format_event("x" * 100_000))
        finally:
            ended.set()

    async with streams_of(body) as port, asked(port):
        await ended.wait()
    assert events.entries == []


async def test_beyond_the_most_streams_others_are_asked_to_come_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sse, "_MAX_STREAMS", 2)
    monkeypatch.setattr("orderwatch.web.server.connections._MAX_CONNECTIONS", 2)  # streams are not among them
    async with streams_of(for_ever) as port:
        async with asked(port) as first, asked(port) as second:
            await begun(first)
            await begun(second)
            refused = await whole(port)
            assert refused.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: 30" in refused
            assert (await whole(port, "/healthz")).startswith(b"HTTP/1.1 200 ")
        while not (await whole(port, method="HEAD")).startswith(b"HTTP/1.1 200 "):
            pass  # the server hears of it soon


async def test_a_stream_that_fails_ends_and_is_said(events: LogCapture) -> None:
    async def body(send: Send) -> None:
        await send(format_event("one"))
        raise ValueError

    async with streams_of(body) as port:
        answer = await whole(port)
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b"0\r\n\r\n")
    assert [e["event"] for e in events.entries] == ["http.failed"]
