"""Sends files to a bucket, small ones whole and others in parts; the bytes in memory are limited."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from orderwatch.errors import LostBytesError
from orderwatch.ports import Checked
from orderwatch.transfer.fsops import translate_os_errors
from orderwatch.transfer.s3.bucket import SentPart
from orderwatch.transfer.zip.decompress import zlib_library

PART_BYTES = 8 * 2**20
MAX_PARTS = 10_000
_MAX_BUFFERED_BYTES = 8 * PART_BYTES  # of all files together
_MIB = 2**20


class Block(NamedTuple):
    """Some bytes of a file and their CRC."""

    content: bytes
    crc: int


SendPart = Callable[[int, bytes, int], Awaitable[SentPart]]
"""Sends a part: its number, its bytes and their CRC."""


class Reader:
    """Reads a file from its beginning to its end, and computes sha256 and CRC of what was read. Blocking.

    The CRC is CRC-32, which S3 verifies for a whole object, and zlib computes; CRC-64 needs one more library.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._sha256 = hashlib.sha256()
        self.crc = 0

    def read(self, size: int) -> Block:
        """Return the next bytes. Raises `LostBytesError` if the file ends before."""
        with translate_os_errors("cannot read the partial"):
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                content = _read(handle, self._at, size)
            finally:
                os.close(handle)
        self._at += size
        self._sha256.update(content)
        self.crc = zlib_library.crc32(content, self.crc)
        return Block(content, zlib_library.crc32(content))

    def require(self, checked: Checked) -> None:
        """Raise `LostBytesError` unless the bytes read are those that were verified."""
        if (self._at, self._sha256.hexdigest()) != (checked.size, checked.sha256):
            raise LostBytesError("the verified partial has changed")


class Sender:
    """Reads and sends all files of a process."""

    def __init__(self) -> None:
        self._room = asyncio.Condition()
        self._buffered = 0

    async def send(
        self, send_part: SendPart, reader: Reader, size: int, on_bytes: Callable[[int], object]
    ) -> Sequence[SentPart]:
        """Read the whole file and send it in parts; returns them."""
        sent: list[SentPart] = []

        async def send_one(number: int, block: Block) -> None:
            try:
                sent.append(await send_part(number, *block))
                on_bytes(len(block.content))
            finally:
                await self._give(len(block.content))

        try:
            async with asyncio.TaskGroup() as parts:
                for number, length in enumerate(part_sizes(size), start=1):
                    block = await self._take(reader, length)
                    parts.create_task(send_one(number, block))
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        return sorted(sent)

    @asynccontextmanager
    async def reading(self, reader: Reader, size: int) -> AsyncIterator[Block]:
        """Read the next bytes once there is room for them in memory; it is theirs until the end."""
        block = await self._take(reader, size)
        try:
            yield block
        finally:
            await self._give(size)

    async def _take(self, reader: Reader, size: int) -> Block:
        async with self._room:
            await self._room.wait_for(lambda: self._has_room(size))
            self._buffered += size
        try:
            return await asyncio.to_thread(reader.read, size)
        except BaseException:
            await self._give(size)
            raise

    def _has_room(self, size: int) -> bool:
        return not self._buffered or self._buffered + size <= _MAX_BUFFERED_BYTES

    async def _give(self, size: int) -> None:
        self._buffered -= size
        async with self._room:
            self._room.notify_all()


def part_sizes(size: int) -> Iterator[int]:
    """Yield the size of each part: equal ones, as small as their greatest number allows, and the rest."""
    least = -(-size // MAX_PARTS)
    part = max(PART_BYTES, -(-least // _MIB) * _MIB)
    yield from (min(part, size - at) for at in range(0, size, part))


def _read(handle: int, at: int, size: int) -> bytes:
    content = os.pread(handle, size, at)
    while len(content) < size:
        more = os.pread(handle, size - len(content), at + len(content))
        if not more:
            raise LostBytesError("the verified partial is shorter than before")
        content += more
    return content
