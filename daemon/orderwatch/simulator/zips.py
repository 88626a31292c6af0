"""Valid zips of any size, never held in memory: every byte is a function of its position."""

import hashlib
import struct
import threading
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

BLOCK_BYTES = 1 << 20
_STRIDE = 0x9E3779B1  # odd: the first 2**20 blocks all begin at different positions
_ZIP64_FROM = 0xFF000000  # below 4 GiB, so that the central directory also begins below it
_MAX_16, _MAX_32 = 0xFFFF, 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
_DATE = (2026 - 1980) << 9 | 1 << 5 | 1  # 1 January 2026 in DOS format
_UNIX, _READABLE = 3 << 8, 0o100644 << 16


@dataclass(frozen=True, slots=True)
class _Member:
    """Header fields of a file; `packed` is its stored size, `zip64` selects the long form."""

    name: bytes
    method: int
    crc: int
    packed: int
    size: int
    zip64: bool = False

    def local_header(self) -> bytes:
        return struct.pack("<IH", 0x04034B50, self._version) + self._common() + self.name + self._extra

    def central_header(self, offset: int) -> bytes:
        start = struct.pack("<I2H", 0x02014B50, _UNIX | self._version, self._version)
        end = struct.pack("<3H2I", 0, 0, 0, _READABLE, offset)
        return start + self._common() + end + self.name + self._extra

    @property
    def _version(self) -> int:
        return 45 if self.zip64 else 20

    @property
    def _extra(self) -> bytes:
        return struct.pack("<2H2Q", 1, 16, self.size, self.packed) if self.zip64 else b""

    def _common(self) -> bytes:
        """Return the fields common to both headers, from the flags to the length of the extra field."""
        sizes = (_MAX_32, _MAX_32) if self.zip64 else (self.packed, self.size)
        lengths = (len(self.name), len(self._extra))
        return struct.pack("<4H3I2H", 0, self.method, 0, _DATE, self.crc, *sizes, *lengths)


class VirtualZip:
    """A zip of `wanted` bytes, or a few more if headers and small files need them.

    The `small` files are deflated; a stored raster follows that depends on scene, revision and position. Its
    checksum precedes it, so `prepare`, or else the first `read`, reads all of it at about 2 GB/s: run it in
    a thread.
    """

    def __init__(self, scene_id: str, revision: int, wanted: int, small: Mapping[str, bytes]) -> None:
        self._seed = f"{scene_id}/{revision}"
        self._raster_name = f"{scene_id}/{scene_id}_MS.tif".encode()
        self._small = [_deflated(f"{scene_id}/{name}".encode(), data) for name, data in small.items()]
        self._zip64 = wanted > _ZIP64_FROM
        self._raster_size = 0
        self._raster_size = max(0, wanted - sum(map(len, self._around(crc=0))))
        self._ends: tuple[bytes, bytes] | None = None
        self._sha256: str | None = None
        self._lock = threading.RLock()
        self.size = self._raster_size + sum(map(len, self._around(crc=0)))
        self.etag = f'"{hashlib.sha256(f"{self._seed}/{self.size}".encode()).hexdigest()[:32]}"'

    def prepare(self) -> None:
        self._edges()

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset` on; fewer than `length` only at the end."""
        return b"".join(self._parts(offset, min(offset + length, self.size)))

    def sha256(self) -> str:
        """Return the hexadecimal digest of the whole; as slow as reading it once."""
        with self._lock:
            if self._sha256 is None:
                digest = hashlib.sha256()
                for part in self._parts(0, self.size):
                    digest.update(part)
                self._sha256 = digest.hexdigest()
            return self._sha256

    def _parts(self, start: int, stop: int) -> Iterator[memoryview]:
        head, tail = self._edges()
        begin, end = len(head), len(head) + self._raster_size
        yield memoryview(head)[start:stop]
        yield from self._raster(max(start - begin, 0), min(stop, end) - begin)
        yield memoryview(tail)[max(start - end, 0) : max(stop - end, 0)]

    def _edges(self) -> tuple[bytes, bytes]:
        with self._lock:
            if self._ends is None:
                crc = 0
                for part in self._raster(0, self._raster_size):
                    crc = zlib.crc32(part, crc)
                self._ends = self._around(crc)
            return self._ends

    def _raster(self, start: int, stop: int) -> Iterator[memoryview]:
        twice = memoryview(_noise(self._seed))
        while start < stop:
            number, within = divmod(start, BLOCK_BYTES)
            length = min(BLOCK_BYTES - within, stop - start)
            turned = number * _STRIDE % BLOCK_BYTES + within
            yield twice[turned : turned + length]
            start += length

    def _around(self, crc: int) -> tuple[bytes, bytes]:
        """Return everything before and after the raster."""
        raster = _Member(self._raster_name, _STORED, crc, self._raster_size, self._raster_size, self._zip64)
        head, directory = b"", b""
        for member, data in [*self._small, (raster, b"")]:
            directory += member.central_header(len(head))
            head += member.local_header() + data
        at = len(head) + self._raster_size
        return head, directory + _end(len(self._small) + 1, len(directory), at, zip64=self._zip64)


def _deflated(name: bytes, data: bytes) -> tuple[_Member, bytes]:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = deflate.compress(data) + deflate.flush()
    return _Member(name, _DEFLATED, zlib.crc32(data), len(packed), len(data)), packed


def _end(members: int, length: int, at: int, *, zip64: bool) -> bytes:
    """Return the final records of a zip whose central directory of `length` bytes is `at` this offset."""
    if not zip64:
        return struct.pack("<I4H2IH", 0x06054B50, 0, 0, members, members, length, at, 0)
    record = struct.pack("<IQ2H2I4Q", 0x06064B50, 44, _UNIX | 45, 45, 0, 0, members, members, length, at)
    locator = struct.pack("<2IQI", 0x07064B50, 0, at + length, 1)
    closing = struct.pack("<I4H2IH", 0x06054B50, 0, 0, _MAX_16, _MAX_16, _MAX_32, _MAX_32, 0)
    return record + locator + closing


@lru_cache(maxsize=16)
def _noise(seed: str) -> bytes:
    """Return a block of noise twice in a row: any rotation of it is one slice."""
    return hashlib.shake_256(seed.encode()).digest(BLOCK_BYTES) * 2
