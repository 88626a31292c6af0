"""Readers that are slow get their file however long it takes; readers that stand still hold nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.logs import events
from tests.patience import PATIENCE
from tests.web.api_kit import asked
from tests.web.files.files_kit import serving_files, serving_one, stored

from orderwatch.web.files import sender
from orderwatch.web.files.routes import file_of
from orderwatch.web.pages.thumbnails import picture_of
from orderwatch.web.server.downloads import MAX_DOWNLOADS

__all__ = ["events"]

LARGE = bytes(24_000_000)  # more than the buffers of a connection hold


@asynccontextmanager
async def begun(port: int, address: str) -> AsyncIterator[asyncio.StreamReader]:
    """A client that has the headers, and no more yet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=65536)
    writer.write(f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0]
        yield reader
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def rest(reader: asyncio.StreamReader) -> int:
    """How many bytes come to the end, whether it is the right one or not."""
    size = 0
    with suppress(ConnectionError):
        while piece := await reader.read(1_000_000):
            size += len(piece)
    return size


async def test_a_slow_reader_outlives_the_time_of_other_answers(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, passed = asyncio.get_running_loop(), 0.0
    steady = loop.time
    monkeypatch.setattr(sender, "STALL_SECONDS", 10**9)
    monkeypatch.setattr(loop, "time", lambda: steady() + passed)
    async with serving_one(database, LARGE) as (port, address, _), begun(port, address) as reader:
        got = 0
        for _ in range(3):  # what ends another answer's connection comes in steps
            passed += 3600
            got += len(await reader.readexactly(100_000))
        assert got + await rest(reader) == len(LARGE)


async def test_a_reader_that_stands_still_is_ended_and_its_file_is_not_whole(
    database: Path, monkeypatch: pytest.MonkeyPatch, events: LogCapture
) -> None:
    monkeypatch.setattr(sender, "STALL_SECONDS", 0.2)
    async with serving_one(database, LARGE) as (port, address, _), begun(port, address) as reader:
        async with asyncio.timeout(PATIENCE):
            while not events.entries:
                await asyncio.sleep(0.01)
        assert events.entries[0]["reason"] == "no progress"
        assert events.entries[0]["size"] < len(LARGE)
        assert await rest(reader) < len(LARGE)


async def test_readers_that_stand_still_keep_nobody_from_the_pages_and_leave_room_when_they_go(
    database: Path,
) -> None:
    async with serving_one(database, LARGE) as (port, address, _):
        async with AsyncExitStack() as readers:
            for _ in range(MAX_DOWNLOADS):
                await readers.enter_async_context(begun(port, address))
            status, headers, body = await asked(port, address)
            assert (status, body) == (503, b"503: too many files are being downloaded\n")
            assert headers["retry-after"] == "30"
            assert (await asked(port, "/"))[0] == 200
        async with asyncio.timeout(PATIENCE):
            while status == 503:
                status, _, body = await asked(port, address)
        assert (status, len(body)) == (200, len(LARGE))


async def test_a_download_is_ended_when_the_server_closes(database: Path, events: LogCapture) -> None:
    async with AsyncExitStack() as client:
        async with serving_one(database, LARGE) as (port, address, _):
            reader = await client.enter_async_context(begun(port, address))
        assert await rest(reader) < len(LARGE)
    assert [event["event"] for event in events.entries] == ["http.file_sent"]
    assert events.entries[0]["reason"]


async def test_a_file_ends_well_beside_a_page_that_somebody_does_not_read(database: Path) -> None:
    file = stored(database.parent, "scene.zip", LARGE)
    png = b"\x89PNG\r\n\x1a\n" + bytes(40_000_000)
    picture = stored(database.parent, "x.png", png, attachment="thumbnail", file_name="x.png")
    async with serving_files(database, file, picture) as here, begun(here.port, picture_of(picture)):
        status, _, body = await asked(here.port, file_of(file))
    assert (status, body == LARGE) == (200, True)
