"""Computes the CRCs of a zip's stored members while the file arrives, so that they need not be read again."""

import struct
from collections.abc import Mapping
from types import MappingProxyType

from orderwatch.transfer.zip.decompress import zlib_library
from orderwatch.transfer.zip.records import (
    ENCRYPTED,
    HAS_DATA_DESCRIPTOR,
    HEADER,
    IN_ZIP64_EXTRA,
    IS_PATCH,
    LOCAL_HEADER,
    SPANNING_MARKERS,
    STORED,
    ZIP64_EXTRA,
    read_extra,
)

_MAX_MEMBERS = 100_000
_SIGNATURE_BYTES = 4
_ZIP64_SIZES = struct.Struct("<2Q")  # size, packed size


class MemberScanner:
    """Reads consecutive members from the first byte of a file on.

    A member that is not understood ends the scan: only its own CRC and those behind it are missing then.
    """

    def __init__(self) -> None:
        self._position = 0  # in the file, of the next byte
        self._header = bytearray()
        self._header_bytes = _SIGNATURE_BYTES  # as much of the header as is read next
        self._start = self._packed = self._left = self._crc = 0
        self._is_stored = self._is_stopped = False
        self._are_stored = True  # the members so far
        self._crcs: dict[tuple[int, int], int] = {}

    @property
    def crcs(self) -> Mapping[tuple[int, int], int]:
        """The CRC of each finished stored member, by the start and size of its packed bytes."""
        return MappingProxyType(self._crcs)

    @property
    def covers_all(self) -> bool:
        """Whether the CRC of every member so far is, or will be, computed here."""
        return not self._is_stopped and self._are_stored

    def feed(self, block: bytes | memoryview) -> None:
        """Read the next bytes of the file."""
        if len(block) < self._left:  # within a member: the usual case
            self._position += len(block)
            self._read_content(block)
            return
        rest = memoryview(block)
        while rest and not self._is_stopped:
            used = min(len(rest), self._left or self._header_bytes - len(self._header))
            self._position += used
            if self._left:
                self._read_content(rest[:used])
            else:
                self._header += rest[:used]
                if len(self._header) == self._header_bytes:
                    self._read_header()
            rest = rest[used:]

    def _read_content(self, content: bytes | memoryview) -> None:
        if self._is_stored:
            self._crc = zlib_library.crc32(content, self._crc)
        self._left -= len(content)
        if not self._left:
            self._finish_member()

    def _read_header(self) -> None:
        """Read what has arrived of a header: its signature, its fixed part, or all of it."""
        length = len(self._header)
        if length == _SIGNATURE_BYTES:
            self._read_signature()
        elif length == HEADER.size and (more := sum(HEADER.unpack(self._header)[-2:])):
            self._header_bytes += more
        else:
            self._begin_member()

    def _read_signature(self) -> None:
        if self._position == _SIGNATURE_BYTES and self._header in SPANNING_MARKERS:
            self._header.clear()
        elif self._header == LOCAL_HEADER:
            self._header_bytes = HEADER.size
        else:
            self._is_stopped = True

    def _begin_member(self) -> None:
        _, flags, method, _, packed, size, name_length, _ = HEADER.unpack_from(self._header)
        if packed == size == IN_ZIP64_EXTRA:
            size, packed = _read_zip64_sizes(bytes(self._header[HEADER.size + name_length :]))
        self._header.clear()
        self._header_bytes = _SIGNATURE_BYTES
        self._is_stored = method == STORED
        self._are_stored &= self._is_stored or not packed
        self._start, self._packed, self._left, self._crc = self._position, packed, packed, 0
        self._is_stopped = (
            bool(flags & (ENCRYPTED | HAS_DATA_DESCRIPTOR | IS_PATCH))
            or IN_ZIP64_EXTRA in {packed, size}
            or (self._is_stored and packed != size)
            or len(self._crcs) >= _MAX_MEMBERS
        )
        if not self._left and not self._is_stopped:
            self._finish_member()

    def _finish_member(self) -> None:
        if self._is_stored:
            self._crcs[self._start, self._packed] = self._crc


def _read_zip64_sizes(extra: bytes) -> tuple[int, int]:
    """Return size and packed size; `IN_ZIP64_EXTRA` for both if the extra field lacks them."""
    for kind, data in read_extra(extra):
        if kind == ZIP64_EXTRA and len(data) >= _ZIP64_SIZES.size:
            size, packed = _ZIP64_SIZES.unpack_from(data)
            return size, packed
    return IN_ZIP64_EXTRA, IN_ZIP64_EXTRA
