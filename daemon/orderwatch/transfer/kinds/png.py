"""Checks that a PNG is whole: every chunk with its CRC, up to the last one."""

import struct
import zlib

from orderwatch.transfer.kinds.bounded_file import BoundedFile

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHUNK_HEAD = struct.Struct(">I4s")
_CRC = struct.Struct(">I")
_BLOCK_BYTES = 2**20


def check_png(file: BoundedFile) -> None:
    """Raise `BadBytesError` if the picture is incomplete or damaged, or bytes follow it."""
    if file.read(0, len(_SIGNATURE)) != _SIGNATURE:
        raise file.damaged("wrong signature")
    at, expected = len(_SIGNATURE), b"IHDR"
    while True:
        length, name = _CHUNK_HEAD.unpack(file.read(at, _CHUNK_HEAD.size))
        if not name.isalpha() or expected not in {b"", name}:
            raise file.damaged(f"no chunk at byte {at:,}")
        stop = at + _CHUNK_HEAD.size + length
        file.require(stop, _CRC.size)
        if _crc(file, at + 4, stop) != _CRC.unpack(file.read(stop, _CRC.size))[0]:
            raise file.damaged(f"wrong CRC of the chunk at byte {at:,}")
        at, expected = stop + _CRC.size, b""
        if name == b"IEND":
            break
    if at != file.size:
        raise file.damaged("extra bytes after its end")


def _crc(file: BoundedFile, start: int, stop: int) -> int:
    found = 0
    for at in range(start, stop, _BLOCK_BYTES):
        found = zlib.crc32(file.read(at, min(_BLOCK_BYTES, stop - at)), found)
    return found
