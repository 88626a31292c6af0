"""Reads a zip's directory; its end record, entries and member headers must agree. Blocking.

`zipfile` parses the directory; limits are checked before, since it is read whole.
"""

import os
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, NamedTuple

from orderwatch.core.formatting import format_bytes
from orderwatch.errors import BadBytesError
from orderwatch.transfer.zip.records import (
    CENTRAL_HEADER,
    ENCRYPTED,
    HAS_DATA_DESCRIPTOR,
    HEADER,
    IN_ZIP64_EXTRA,
    IS_PATCH,
    LOCAL_HEADER,
    UTF8,
)

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_MAX_MEMBERS = 100_000
_MAX_DIRECTORY_BYTES = 64 * 2**20
_MAX_UNPACKED_BYTES = 200 * 10**9
_MAX_RATIO = 1100  # deflate reaches at most 1032

_END = struct.Struct("<4s6xH2IH")  # members; length and offset of the directory; length of the comment
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4s28xQ2Q")
_EOCD = b"PK\x05\x06"
_LOCATOR_MAGIC, _EOCD64 = b"PK\x06\x07", b"PK\x06\x06"
_MAX_END_BYTES = _END.size + 2**16  # with the longest comment
_UNREADABLE = (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file or folder of a zip. `start` is where its packed bytes begin; sizes in bytes."""

    name: str
    start: int
    packed: int
    size: int
    crc: int
    method: int
    mode: int  # Unix file type and permissions; 0 if the zip has none


class _Directory(NamedTuple):
    members: int
    length: int
    offset: int


def list_members(file: IO[bytes]) -> list[Member]:
    """Return every member. Raises `BadBytesError` if the zip contradicts itself or exceeds the limits."""
    size = os.fstat(file.fileno()).st_size
    directory = _find_directory(file, size)
    infos = _read_entries(file, directory)
    members = [_read_member(file, info, directory.offset) for info in infos]
    _check_overlap(infos, members, directory.offset)
    unpacked = sum(member.size for member in members)
    if unpacked > min(_MAX_UNPACKED_BYTES, _MAX_RATIO * size):
        claimed, packed = format_bytes(unpacked), format_bytes(size)
        raise BadBytesError(f"the zip claims to contain {claimed}, above the limit for a zip of {packed}")
    return members


def _find_directory(file: IO[bytes], size: int) -> _Directory:
    """Find the directory; it must end at the end record, and that at the end of the file."""
    file.seek(max(0, size - _MAX_END_BYTES))
    tail = file.read()
    at = tail.rfind(_EOCD)
    if at < 0 or len(tail) - at < _END.size:
        raise BadBytesError("the zip has no end record: it is incomplete")
    _, count, length, offset, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise BadBytesError("the zip has extra bytes after its end")
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


def _read_zip64_end(records: bytes, at: int) -> _Directory:
    if len(records) < _END64.size + _LOCATOR.size or not records.startswith(_EOCD64):
        raise BadBytesError("the zip's end records do not agree")
    if _LOCATOR.unpack_from(records, _END64.size)[2] != at:
        raise BadBytesError("the zip does not start at the first byte of the file")
    return _Directory(*_END64.unpack_from(records)[1:])


def _read_entries(file: IO[bytes], directory: _Directory) -> list[zipfile.ZipInfo]:
    """Return the entries of the directory; counts them before parsing."""
    if directory.length > _MAX_DIRECTORY_BYTES:
        raise BadBytesError(f"the zip's directory has {format_bytes(directory.length)}, above the limit")
    entries = os.pread(file.fileno(), directory.length, directory.offset).count(CENTRAL_HEADER)
    if entries > _MAX_MEMBERS:
        raise BadBytesError(f"the zip lists {entries} members, above the limit")
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except _UNREADABLE as error:
        raise BadBytesError(f"cannot read the zip: {error}") from error
    if not infos:
        raise BadBytesError("the zip is empty")
    if len(infos) != directory.members:
        raise BadBytesError(
            f"the zip lists {len(infos)} members, but its end record counts {directory.members}"
        )
    return infos


def _read_member(file: IO[bytes], info: zipfile.ZipInfo, limit: int) -> Member:
    header = b""
    if info.header_offset + HEADER.size <= limit:
        header = os.pread(file.fileno(), HEADER.size, info.header_offset)
    if not header.startswith(LOCAL_HEADER):
        raise BadBytesError("cannot read the zip: a member is not where its directory entry points")
    _, flags, method, *values, name_length, extra_length = HEADER.unpack(header)
    if (flags | info.flag_bits) & ENCRYPTED:
        raise BadBytesError("the zip is encrypted: orderwatch cannot verify its content")
    if info.compress_type not in METHODS or info.flag_bits & IS_PATCH:
        raise BadBytesError("the zip uses an unsupported compression method")
    name = os.pread(file.fileno(), name_length, info.header_offset + HEADER.size)
    streamed = bool(flags & HAS_DATA_DESCRIPTOR)
    if method != info.compress_type or not (
        _name_matches(info, name) and (streamed or _values_match(info, values))
    ):
        raise BadBytesError("cannot read the zip: a member's header contradicts its directory entry")
    return Member(
        # zipfile truncates a name at its first NUL
        name=info.orig_filename if "\0" in info.orig_filename else info.filename,
        start=info.header_offset + HEADER.size + name_length + extra_length,
        packed=info.compress_size,
        size=info.file_size,
        crc=info.CRC,
        method=method,
        mode=info.external_attr >> 16,
    )


def _name_matches(info: zipfile.ZipInfo, name: bytes) -> bool:
    try:
        return name.decode("utf-8" if info.flag_bits & UTF8 else "cp437") == info.orig_filename
    except UnicodeDecodeError:
        return False


def _values_match(info: zipfile.ZipInfo, values: Sequence[int]) -> bool:
    crc, *sizes = values
    known = (info.compress_size, info.file_size)
    return crc == info.CRC and all(
        value in {real, IN_ZIP64_EXTRA} for value, real in zip(sizes, known, strict=True)
    )


def _check_overlap(infos: Sequence[zipfile.ZipInfo], members: Sequence[Member], end: int) -> None:
    """Require consecutive members from the first byte on; zip bombs use members that share bytes."""
    places = sorted(
        (info.header_offset, member.start + member.packed)
        for info, member in zip(infos, members, strict=True)
    )
    if places[0][0] != 0:
        raise BadBytesError("the zip does not start at the first byte of the file")
    for (_, stop), start in zip(places, [*(start for start, _ in places[1:]), end], strict=True):
        if stop > start:
            raise BadBytesError("members of the zip overlap")
