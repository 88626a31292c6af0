"""The records of a zip file as PKWARE's APPNOTE 6.3 defines them."""

import struct
from collections.abc import Iterator

LOCAL_HEADER, CENTRAL_HEADER = b"PK\x03\x04", b"PK\x01\x02"
SPANNING_MARKERS = (b"PK\x07\x08", b"PK00")  # in front of a split archive of one segment
HEADER = struct.Struct("<4s2x2H4x3I2H")  # flags, method; CRC, packed size, size; length of name and extra

ENCRYPTED = 0x1 | 0x40 | 0x2000
HAS_DATA_DESCRIPTOR = 0x8  # the header was written before the member and lacks its size
IS_PATCH = 0x20
UTF8 = 0x800
IN_ZIP64_EXTRA = 0xFFFFFFFF  # the value is in the zip64 extra field

ZIP64_EXTRA = 0x0001
_EXTRA_HEADER = struct.Struct("<2H")


def read_extra(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the id and the data of each complete extra field."""
    at = 0
    while at + _EXTRA_HEADER.size <= len(extra):
        kind, length = _EXTRA_HEADER.unpack_from(extra, at)
        at += _EXTRA_HEADER.size
        if at + length > len(extra):
            return
        yield kind, extra[at : at + length]
        at += length
