"""What the tests of the transfer share: a host that lies, and a row that believes only checkpoints."""

import asyncio
import hashlib
import io
import random
import re
import socket
import ssl
import struct
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path

import pytest

from orderwatch.core.deliveries.promise import NO_PROMISE, Promise
from orderwatch.core.model import Delivery
from orderwatch.errors import BadBytesError, DiskError, TransferError
from orderwatch.ports import Start
from orderwatch.transfer.http.downloader import Downloader

SECRET = "canary%2Ftoken%7e"
PATH = f"/scenes/a%2Fb/c%7ed.zip?token={SECRET}&x=%c3%a9"
GARBAGE = b"what a power cut may leave behind" * 7
PART = "some.part"


def sample_zip(seed: int = 1, size: int = 150_000, *, comment: bytes = b"") -> bytes:
    """A zip with deflated and stored members; another seed gives other bytes of the same length."""
    noise = random.Random(seed).randbytes(size)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("scene/metadata.json"), f'{{"seed": {seed:06}}}' * 40)
        archive.writestr(zipfile.ZipInfo("scene/raster.tif"), noise)
        text = zipfile.ZipInfo("scene/readme.txt")
        text.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(text, "the same words again and again, " * 100)
        archive.comment = comment
    return made.getvalue()


TRUTH = sample_zip()
OTHER = sample_zip(2)  # as long as TRUTH
LONGER = sample_zip(3, 151_000)


class Act(Enum):
    """What a host does in the middle of an answer, besides sending bytes."""

    RESET = auto()
    STALL = auto()
    PAUSE = auto()


@dataclass(frozen=True)
class Asked:
    """A request as it came over the wire; the names of the headers in lower case."""

    target: str
    headers: Mapping[str, str]

    @property
    def offset(self) -> int | None:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(match[1]) if match else None


Answer = Callable[[Asked], Iterator[bytes | Act]]


@dataclass
class Host:
    """Answers each request with the next of `answers`, the last one for ever, and closes the connection."""

    answers: list[Answer] = field(default_factory=list)
    heard: list[Asked] = field(default_factory=list)
    connections: int = 0
    sent: int = 0  # bytes, headers too
    url: str = ""
    port: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *lines = head.strip().split("\r\n")
            asked = Asked(
                line.split(" ")[1],
                {name.lower(): value for name, value in (each.split(": ", 1) for each in lines)},
            )
            self.heard.append(asked)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            for step in answer(asked):
                if step is Act.RESET:
                    await asyncio.sleep(0.02)  # what was sent leaves this machine first
                    connection: socket.socket = writer.get_extra_info("socket")
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()
                    return
                if step is Act.STALL:
                    await reader.read()  # until the other side has had enough
                    return
                if step is Act.PAUSE:
                    await asyncio.sleep(0.012)
                    continue
                assert isinstance(step, bytes)
                writer.write(step)
                await writer.drain()
                self.sent += len(step)
            await asyncio.sleep(0.02)  # what was sent is read before the other side learns of the end
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side hung up, which is its right
        finally:
            self._open.remove(writer)
            writer.close()

    def hang_up(self) -> None:
        """On everybody."""
        for writer in self._open:
            writer.transport.abort()

    async def alone(self) -> None:
        """Wait until nobody is connected."""
        while self._open:
            await asyncio.sleep(0.01)

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["Host"]:
        server = await asyncio.start_server(self.handle, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        try:
            yield self
        finally:
            server.close()


@asynccontextmanager
async def host(*answers: Answer) -> AsyncIterator[Host]:
    async with Host(list(answers)).serving() as serving:
        yield serving


def head(status: int, headers: Mapping[str, object]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Whatever\r\n{lines}Connection: close\r\n\r\n".encode("latin-1")


def reply(status: int, body: bytes = b"", *then: bytes | Act, **headers: object) -> Answer:
    """A fixed answer; `Content_Type="…"` is a header. The length is announced unless a header says it."""
    named = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    if "Content_Length" not in headers and "Transfer_Encoding" not in headers:
        named["Content-Length"] = len(body)

    def answer(_asked: Asked) -> Iterator[bytes | Act]:
        yield head(status, named)
        yield body
        yield from then

    return answer


def file(
    data: bytes,
    *,
    etag: str | None = None,
    honours_if_range: bool = True,
    ranges: bool = True,
    upto: int | None = None,
    then: Act | None = None,
    content_range: str = "bytes {first}-{last}/{size}",
    shift: int = 0,
) -> Answer:
    """A host with a file.

    It may send only `upto` bytes of it before it closes, resets or stalls; it may name or send another range
    than was asked for.
    """

    def answer(asked: Asked) -> Iterator[bytes | Act]:
        offset = asked.offset if ranges else None
        if honours_if_range and asked.headers.get("if-range", etag) != etag:
            offset = None
        headers: dict[str, object] = {"Content-Type": "application/zip"}
        if etag is not None:
            headers["ETag"] = etag
        if offset is None:
            status, first = 200, 0
        elif offset >= len(data):
            yield head(416, headers | {"Content-Range": f"bytes */{len(data)}", "Content-Length": 0})
            return
        else:
            status, first = 206, max(0, offset + shift)
            named = content_range.format(first=first, last=len(data) - 1, size=len(data))
            if named:
                headers["Content-Range"] = named
        headers["Content-Length"] = len(data) - first
        yield head(status, headers)
        yield data[first : len(data) if upto is None else max(upto, first)]
        if then is not None:
            yield then

    return answer


@dataclass
class Row:
    """Plays the attempt and its row: freezes what was said, believes what was checkpointed.

    Checks each time that the durable bytes on disk are the beginning of one of the `truths`.
    """

    folder: Path
    transport: Downloader
    delivery: Delivery
    truths: tuple[bytes, ...] = (TRUTH,)
    starts: list[Start] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    promise: Promise = NO_PROMISE
    headers: Mapping[str, str] = field(default_factory=dict)  # the account's

    @property
    def path(self) -> Path:
        return self.folder / PART

    @property
    def on_disk(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    async def on_start(self, start: Start) -> None:
        self.starts.append(start)
        self.delivery = replace(self.delivery.described_by(start.version), durable=start.offset)

    async def checkpoint(self, durable: int, _held: int) -> None:
        self.marks.append(durable)
        self.delivery = replace(self.delivery, durable=durable)
        self.check()

    def check(self) -> None:
        durable = self.on_disk[: self.delivery.durable]
        assert any(truth.startswith(durable) for truth in self.truths), "a splice was called durable"

    def hold(self, data: bytes, **facts: object) -> None:
        """As after an earlier attempt that brought these bytes."""
        self.path.write_bytes(data)
        self.delivery = replace(self.delivery, durable=len(data), **facts)  # type: ignore[arg-type]  # by name

    def power_cut(self) -> None:
        """Only the durable bytes count: whatever else is there is garbage from now on."""
        durable = self.on_disk[: self.delivery.durable]
        self.path.write_bytes(durable + GARBAGE)

    async def fetch(self, url: str) -> bytes:
        """One attempt that succeeds; returns the partial."""
        fetched = await self.transport.fetch(
            url,
            PART,
            self.delivery,
            on_start=self.on_start,
            checkpoint=self.checkpoint,
            promise=self.promise,
            headers=self.headers,
        )
        assert fetched is not None
        self.delivery = replace(self.delivery, durable=fetched.size, total=fetched.size)
        assert fetched[:2] == (len(self.on_disk), hashlib.sha256(self.on_disk).hexdigest())
        return self.on_disk

    async def fail(self, url: str, kind: type[TransferError] = TransferError) -> TransferError:
        """One attempt that fails, and then a power cut."""
        before = self.delivery.durable
        with pytest.raises(kind) as caught:
            await self.fetch(url)
        for text in (str(caught.value), repr(caught.value)):
            assert "canary" not in text
            assert "token" not in text
            assert "\n" not in text
        self.check()
        if kind is TransferError:
            assert not isinstance(caught.value, BadBytesError | DiskError)
        barren = 0 if self.delivery.durable > before else self.delivery.attempts_without_progress + 1
        self.delivery = replace(self.delivery, attempts_without_progress=barren)
        self.power_cut()
        return caught.value

    async def fail_on_disk(self, url: str) -> TransferError:
        """One attempt that the disk does not take, and then a power cut."""
        room_again = self.delivery
        error = await self.fail(url, DiskError)
        self.delivery = replace(self.delivery, attempts_without_progress=room_again.attempts_without_progress)
        return error

    async def persist(self, url: str, tries: int = 6) -> bytes:
        """Attempt after attempt, each after a power cut, until one succeeds."""
        for _ in range(tries):
            try:
                return await self.fetch(url)
            except TransferError:
                self.delivery = replace(
                    self.delivery, attempts_without_progress=self.delivery.attempts_without_progress + 1
                )
                self.check()
                self.power_cut()
        pytest.fail(f"not there after {tries} tries")
