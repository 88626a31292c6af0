"""Decodes the names of a zip's members; `zipfile` does so differently in each version of Python."""

import struct
import zlib
from contextlib import suppress

from orderwatch.transfer.zip.records import UNICODE_PATH_EXTRA, UTF8, read_extra

_UNICODE_PATH = struct.Struct("<BI")  # version; CRC of the name in the header
_UNICODE_PATH_VERSION = 1


def decode_name(raw: bytes, flags: int, extra: bytes) -> str:
    """Return the name: UTF-8 if it is marked as such or valid beyond ASCII, else code page 437."""
    if not flags & UTF8 and (name := _unicode_path(raw, extra)) is not None:
        return name
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _unicode_path(raw: bytes, extra: bytes) -> str | None:
    """Return the name of the Unicode Path field, unless it belongs to another name."""
    for kind, data in read_extra(extra):
        if kind == UNICODE_PATH_EXTRA and len(data) > _UNICODE_PATH.size:
            version, crc = _UNICODE_PATH.unpack_from(data)
            if (version, crc) == (_UNICODE_PATH_VERSION, zlib.crc32(raw)):
                with suppress(UnicodeDecodeError):
                    return data[_UNICODE_PATH.size :].decode()
    return None
