"""What a zip says of its members: its end, its directory and each member's own header must agree. Blocking.

The directory is zipfile's business; how much of it there may be is ours, since it is read whole.
"""

import os
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, NamedTuple

from orderwatch.core.formatting import format_bytes
from orderwatch.errors import BadBytesError

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_MOST_MEMBERS = 100_000
_LONGEST_DIRECTORY = 64 * 2**20
_MOST_UNPACKED = 200 * 10**9
_RATIO = 1100  # deflate itself reaches 1032

_END = struct.Struct("<4s6xH2IH")  # members; length and offset of the directory; length of the comment
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4s28xQ2Q")
_ENTRY, _LEAD, _EOCD = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
_LOCATES, _EOCD64 = b"PK\x06\x07", b"PK\x06\x06"
_TAIL = _END.size + 2**16  # the longest comment
_HEADER = struct.Struct("<4s2x2H4x3I2H")

_ENCRYPTED = 0x1 | 0x40 | 0x2000
_STREAMED = 0x8  # the header was written before the member, and cannot tell its size
_PATCH = 0x20
_UTF8 = 0x800
_SAID_ELSEWHERE = 0xFFFFFFFF  # in the long form, that of zip64
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
    mode: int  # type and permissions as Unix has them; 0 where the zip does not say


class _Directory(NamedTuple):
    members: int
    length: int
    offset: int


def members_of(file: IO[bytes]) -> list[Member]:
    """Every member as the zip has them; `BadBytesError` where it contradicts itself or claims too much."""
    size = os.fstat(file.fileno()).st_size
    directory = _directory(file, size)
    infos = _infos(file, directory)
    members = [_member(file, info, directory.offset) for info in infos]
    _check_places(infos, members, directory.offset)
    unpacked = sum(member.size for member in members)
    if unpacked > min(_MOST_UNPACKED, _RATIO * size):
        claimed, packed = format_bytes(unpacked), format_bytes(size)
        raise BadBytesError(f"the zip claims to hold {claimed}, more than we unpack of {packed}")
    return members


def _directory(file: IO[bytes], size: int) -> _Directory:
    """The end record must close the file, and the directory stand before it: zipfile looks at neither."""
    file.seek(max(0, size - _TAIL))
    tail = file.read()
    at = tail.rfind(_EOCD)
    if at < 0 or len(tail) - at < _END.size:
        raise BadBytesError("the zip has no end record: it is not complete")
    _, count, length, offset, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise BadBytesError("the zip has foreign bytes behind its end")
    end = size - len(tail) + at
    found = _Directory(count, length, offset)
    file.seek(max(0, end - _LOCATOR.size - _END64.size))
    before = file.read(end - file.tell())
    if before[-_LOCATOR.size :].startswith(_LOCATES):
        end -= _LOCATOR.size + _END64.size
        found = _long_form(before, end)
    if found.offset + found.length != end:
        raise BadBytesError("the zip does not begin where the file begins")
    return found


def _long_form(records: bytes, at: int) -> _Directory:
    if len(records) < _END64.size + _LOCATOR.size or not records.startswith(_EOCD64):
        raise BadBytesError("the zip's end records do not agree")
    if _LOCATOR.unpack_from(records, _END64.size)[2] != at:
        raise BadBytesError("the zip does not begin where the file begins")
    return _Directory(*_END64.unpack_from(records)[1:])


def _infos(file: IO[bytes], directory: _Directory) -> list[zipfile.ZipInfo]:
    """The entries of the directory. More than we take are not even parsed."""
    if directory.length > _LONGEST_DIRECTORY:
        raise BadBytesError(
            f"the zip's directory is {format_bytes(directory.length)} long, more than we read"
        )
    entries = os.pread(file.fileno(), directory.length, directory.offset).count(_ENTRY)
    if entries > _MOST_MEMBERS:
        raise BadBytesError(f"the zip lists {entries} members, more than we check")
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except _UNREADABLE as error:
        raise BadBytesError(f"the zip cannot be read: {error}") from error
    if not infos:
        raise BadBytesError("the zip holds no member")
    if len(infos) != directory.members:
        raise BadBytesError(f"the zip lists {len(infos)} members but says {directory.members}")
    return infos


def _member(file: IO[bytes], info: zipfile.ZipInfo, limit: int) -> Member:
    header = b""
    if info.header_offset + _HEADER.size <= limit:
        header = os.pread(file.fileno(), _HEADER.size, info.header_offset)
    if not header.startswith(_LEAD):
        raise BadBytesError("the zip cannot be read: a member is not where the directory says")
    _, flags, method, *told, name_length, extra_length = _HEADER.unpack(header)
    if (flags | info.flag_bits) & _ENCRYPTED:
        raise BadBytesError("the zip is encrypted: its content cannot be verified")
    if info.compress_type not in METHODS or info.flag_bits & _PATCH:
        raise BadBytesError("the zip uses a compression that we do not unpack")
    name = os.pread(file.fileno(), name_length, info.header_offset + _HEADER.size)
    streamed = bool(flags & _STREAMED)
    if method != info.compress_type or not (_is_named(info, name) and (streamed or _agrees(info, told))):
        raise BadBytesError("the zip cannot be read: a member's header is not what the directory says")
    return Member(
        # zipfile cuts a name at its first NUL
        name=info.orig_filename if "\0" in info.orig_filename else info.filename,
        start=info.header_offset + _HEADER.size + name_length + extra_length,
        packed=info.compress_size,
        size=info.file_size,
        crc=info.CRC,
        method=method,
        mode=info.external_attr >> 16,
    )


def _is_named(info: zipfile.ZipInfo, name: bytes) -> bool:
    try:
        return name.decode("utf-8" if info.flag_bits & _UTF8 else "cp437") == info.orig_filename
    except UnicodeDecodeError:
        return False


def _agrees(info: zipfile.ZipInfo, told: Sequence[int]) -> bool:
    crc, *sizes = told
    known = (info.compress_size, info.file_size)
    return crc == info.CRC and all(
        said in {real, _SAID_ELSEWHERE} for said, real in zip(sizes, known, strict=True)
    )


def _check_places(infos: Sequence[zipfile.ZipInfo], members: Sequence[Member], end: int) -> None:
    """One after the other from the first byte on: members that share bytes are how a small bomb is built."""
    places = sorted(
        (info.header_offset, member.start + member.packed)
        for info, member in zip(infos, members, strict=True)
    )
    if places[0][0] != 0:
        raise BadBytesError("the zip does not begin where the file begins")
    for (_, stop), start in zip(places, [*(start for start, _ in places[1:]), end], strict=True):
        if stop > start:
            raise BadBytesError("members of the zip overlap")
