"""The records and numbers of a zip file, as PKWARE's APPNOTE 6.3 defines them."""

import struct
from collections.abc import Iterator, Mapping
from types import MappingProxyType

LOCAL_HEADER, CENTRAL_HEADER = b"PK\x03\x04", b"PK\x01\x02"
SPANNING_MARKERS = (b"PK\x07\x08", b"PK00")  # in front of a split archive of one segment
HEADER = struct.Struct("<4s2x2H4x3I2H")  # flags, method; CRC, packed size, size; length of name and extra

ENCRYPTED = 0x1 | 0x40 | 0x2000
LZMA_HAS_END_MARK = 0x2
HAS_DATA_DESCRIPTOR = 0x8  # the header was written before the member and lacks its size
IS_PATCH = 0x20
UTF8 = 0x800
IN_ZIP64_EXTRA = 0xFFFFFFFF  # the value is in the zip64 extra field

STORED, DEFLATED, DEFLATE64, BZIP2, LZMA, ZSTANDARD, XZ = 0, 8, 9, 12, 14, 93, 95
UNSUPPORTED_METHODS: Mapping[int, str] = MappingProxyType(
    {
        1: "Shrink",
        2: "Reduce",
        3: "Reduce",
        4: "Reduce",
        5: "Reduce",
        6: "Implode",
        10: "IBM TERSE",
        18: "IBM TERSE",
        19: "IBM LZ77",
        20: "an early Zstandard",
        94: "MP3 compression",
        96: "JPEG compression",
        97: "WavPack compression",
        98: "PPMd",
    }
)

ZIP64_EXTRA, UNICODE_PATH_EXTRA = 0x0001, 0x7075
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
