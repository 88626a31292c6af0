"""Parses the entries of a zip's directory and compares each with the header in front of its member."""

import io
import os
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from orderwatch.errors import BadBytesError
from orderwatch.transfer.zip.decompress import DECOMPRESSORS
from orderwatch.transfer.zip.member import Member, unsupported
from orderwatch.transfer.zip.names import decode_name
from orderwatch.transfer.zip.records import (
    CENTRAL_HEADER,
    ENCRYPTED,
    HAS_DATA_DESCRIPTOR,
    HEADER,
    IN_ZIP64_EXTRA,
    IS_PATCH,
    LOCAL_HEADER,
    ZIP64_EXTRA,
    read_extra,
)

# version needed, flags, method; CRC, packed size, size; length of name, extra and comment; attributes, offset
_ENTRY = struct.Struct("<4s2xBx2H4x3I3H4x2I")
_MAX_VERSION = 63  # 6.3, of the newest features
_DAMAGED = "cannot read the zip: its directory is damaged"
_WIDE = struct.Struct("<Q")


class Entry(NamedTuple):
    """An entry of the directory. `offset` is where the member's header begins; sizes in bytes."""

    name: bytes
    extra: bytes
    version: int  # of the format that is needed, times ten
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int


def read_entries(directory: bytes) -> Iterator[Entry]:
    """Yield every entry. Raises `BadBytesError` unless they fill the directory."""
    stream = io.BytesIO(directory)
    while fixed := stream.read(_ENTRY.size):
        if len(fixed) < _ENTRY.size or not fixed.startswith(CENTRAL_HEADER):
            raise BadBytesError(_DAMAGED)
        _, version, flags, method, crc, packed, size, *lengths, attributes, offset = _ENTRY.unpack(fixed)
        name, extra, comment = map(stream.read, lengths)
        if [len(name), len(extra), len(comment)] != lengths:
            raise BadBytesError(_DAMAGED)
        size, packed, offset = _resolve_zip64((size, packed, offset), extra)
        mode = attributes >> 16
        yield Entry(name, extra, version, flags, method, crc, packed, size, offset, mode)


def _resolve_zip64(values: Sequence[int], extra: bytes) -> Iterator[int]:
    """Replace each value that is in the zip64 extra field, which holds only those."""
    data = next((data for kind, data in read_extra(extra) if kind == ZIP64_EXTRA), None)
    if data is None:
        return iter(values)
    wide = [value for (value,) in _WIDE.iter_unpack(data[: len(data) // _WIDE.size * _WIDE.size])]
    if len(wide) < sum(value == IN_ZIP64_EXTRA for value in values):
        raise BadBytesError(_DAMAGED)
    left = iter(wide)
    return (next(left) if value == IN_ZIP64_EXTRA else value for value in values)


def find_member(handle: int, entry: Entry, limit: int) -> Member:
    """Return the member of an entry; its header must agree and lie before `limit`.

    Raises `BadBytesError` if it does not or if the member cannot be verified.
    """
    header = b""
    if entry.offset + HEADER.size <= limit:
        header = os.pread(handle, HEADER.size, entry.offset)
    if not header.startswith(LOCAL_HEADER):
        raise BadBytesError("cannot read the zip: a member is not where its directory entry points")
    _, flags, method, crc, packed, size, name_length, extra_length = HEADER.unpack(header)
    name = decode_name(entry.name, entry.flags, entry.extra)
    if (flags | entry.flags) & ENCRYPTED:
        raise BadBytesError("the zip is encrypted: orderwatch cannot verify its content")
    if entry.version > _MAX_VERSION:
        version = entry.version / 10
        raise BadBytesError(f"the zip member {name!r:.99} requires version {version} of the format")
    if entry.method not in DECOMPRESSORS:
        raise unsupported(name, entry.method)
    if entry.flags & IS_PATCH:
        raise BadBytesError(f"the zip member {name!r:.99} is a patch, which orderwatch cannot verify")
    if (
        method != entry.method
        or os.pread(handle, name_length, entry.offset + HEADER.size) != entry.name
        or not (flags & HAS_DATA_DESCRIPTOR or _values_match(entry, crc, packed, size))
    ):
        raise BadBytesError("cannot read the zip: a member's header contradicts its directory entry")
    return Member(
        name=name,
        start=entry.offset + HEADER.size + name_length + extra_length,
        packed=entry.packed,
        size=entry.size,
        crc=entry.crc,
        method=method,
        flags=entry.flags,
        mode=entry.mode,
    )


def _values_match(entry: Entry, crc: int, packed: int, size: int) -> bool:
    return (
        crc == entry.crc and packed in {entry.packed, IN_ZIP64_EXTRA} and size in {entry.size, IN_ZIP64_EXTRA}
    )
