"""Reads a zip's directory; its end record, entries and member headers must agree. Blocking."""

import os
import struct
from collections.abc import Sequence
from typing import IO, NamedTuple

from orderwatch.core.formatting import format_bytes
from orderwatch.errors import BadBytesError
from orderwatch.transfer.zip.entries import Entry, find_member, read_entries
from orderwatch.transfer.zip.member import Member
from orderwatch.transfer.zip.records import CENTRAL_HEADER, DEFLATED, STORED

_MAX_MEMBERS = 100_000
_MAX_DIRECTORY_BYTES = 64 * 2**20
_MAX_UNPACKED_BYTES = 200 * 10**9
_MAX_DENSE_BYTES = 20 * 10**9  # unpacked at any ratio by the methods below
_MAX_RATIO = 1100  # deflate reaches at most 1032; all others reach tens of thousands with zeros
_MAX_PADDING_BYTES = 2**20  # zeros behind the end that fill a block

_END = struct.Struct("<4s6xH2IH")  # members; length and offset of the directory; length of the comment
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4s28xQ2Q")
_EOCD, _LOCATOR_MAGIC, _EOCD64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_MAX_END_BYTES = _END.size + 2**16 + _MAX_PADDING_BYTES  # with the longest comment


class _Directory(NamedTuple):
    members: int
    length: int
    offset: int


def list_members(file: IO[bytes]) -> list[Member]:
    """Return every member. Raises `BadBytesError` if the zip contradicts itself or exceeds the limits."""
    size = os.fstat(file.fileno()).st_size
    directory = _find_directory(file, size)
    entries = _read_entries(file, directory)
    members = [find_member(file.fileno(), entry, directory.offset) for entry in entries]
    _check_overlap(entries, members, directory.offset)
    unpacked = sum(member.size for member in members)
    if unpacked > _max_unpacked(members, size):
        claimed, packed = format_bytes(unpacked), format_bytes(size)
        raise BadBytesError(f"the zip claims to contain {claimed}, above the limit for a zip of {packed}")
    return members


def _max_unpacked(members: Sequence[Member], size: int) -> int:
    """Return how much a zip of this size may unpack to, in bytes."""
    is_dense = any(member.method not in {STORED, DEFLATED} for member in members)
    return min(_MAX_UNPACKED_BYTES, max(_MAX_RATIO * size, _MAX_DENSE_BYTES if is_dense else 0))


def _find_directory(file: IO[bytes], size: int) -> _Directory:
    """Find the directory; it must end at the end record, and only padding may follow that."""
    file.seek(max(0, size - _MAX_END_BYTES))
    tail = file.read()
    at = tail.rfind(_EOCD)
    if at < 0 or len(tail) - at < _END.size:
        raise BadBytesError("the zip has no end record: it is incomplete")
    _, count, length, offset, comment = _END.unpack_from(tail, at)
    _check_padding(len(tail) - at - _END.size - comment, tail)
    end = size - len(tail) + at
    found = _Directory(count, length, offset)
    file.seek(max(0, end - _LOCATOR.size - _END64.size))
    before = file.read(end - file.tell())
    if before[-_LOCATOR.size :].startswith(_LOCATOR_MAGIC):
        end -= _LOCATOR.size + _END64.size
        found = _read_zip64_end(before, end)
    if found.offset + found.length != end:
        raise BadBytesError("the zip does not start at the first byte of the file")
    return found


def _check_padding(length: int, tail: bytes) -> None:
    if length < 0:
        raise BadBytesError("the zip has no complete end record: it is incomplete")
    if length > _MAX_PADDING_BYTES or tail.count(0, len(tail) - length) != length:
        raise BadBytesError("the zip has extra bytes after its end")


def _read_zip64_end(records: bytes, at: int) -> _Directory:
    if len(records) < _END64.size + _LOCATOR.size or not records.startswith(_EOCD64):
        raise BadBytesError("the zip's end records do not agree")
    if _LOCATOR.unpack_from(records, _END64.size)[2] != at:
        raise BadBytesError("the zip does not start at the first byte of the file")
    return _Directory(*_END64.unpack_from(records)[1:])


def _read_entries(file: IO[bytes], directory: _Directory) -> list[Entry]:
    """Return the entries of the directory; counts them before parsing."""
    if directory.length > _MAX_DIRECTORY_BYTES:
        raise BadBytesError(f"the zip's directory has {format_bytes(directory.length)}, above the limit")
    packed = os.pread(file.fileno(), directory.length, directory.offset)
    count = packed.count(CENTRAL_HEADER)
    if count > _MAX_MEMBERS:
        raise BadBytesError(f"the zip lists {count} members, above the limit")
    entries = list(read_entries(packed))
    if not entries:
        raise BadBytesError("the zip is empty")
    if len(entries) != directory.members:
        raise BadBytesError(
            f"the zip lists {len(entries)} members, but its end record counts {directory.members}"
        )
    return entries


def _check_overlap(entries: Sequence[Entry], members: Sequence[Member], end: int) -> None:
    """Require that members share no bytes, as those of zip bombs do. Bytes between them are allowed."""
    places = sorted(
        (entry.offset, member.start + member.packed) for entry, member in zip(entries, members, strict=True)
    )
    starts = [start for start, _ in places[1:]]
    for (_, stop), start in zip(places, [*starts, end], strict=True):
        if stop > start:
            raise BadBytesError("members of the zip overlap")
