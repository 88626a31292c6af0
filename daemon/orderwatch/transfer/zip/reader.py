"""The content of a zip's members, block by block in bounded memory. Blocking.

Where isal can be imported it does the work: the same answers, two to four times as fast.
"""

import bz2
import importlib
import lzma
import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from types import ModuleType
from typing import Any

from orderwatch.errors import BadBytesError
from orderwatch.transfer.zip.directory import Member

BLOCK = 2**20
_LZMA = struct.Struct("<2x2sBI")  # length of the rest; lc, lp and pb in one byte; size of the dictionary
_LZMA_REST = b"\5\0"
_LARGEST_DICTIONARY = 64 * 2**20

Packed = Iterator[bytes]


def _fastest() -> ModuleType:
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib


library = _fastest()


def heed(stop: threading.Event | None) -> None:
    """`InterruptedError` once nobody wants the result any more."""
    if stop is not None and stop.is_set():
        raise InterruptedError


def contents(handle: int, member: Member, stop: threading.Event | None) -> Iterator[bytes]:
    """What the member holds, a MiB at a time; `BadBytesError`, at its end at the latest, if it is another."""
    length = crc = 0
    for block in _METHODS[member.method](_packed(handle, member)) if member.packed else ():
        heed(stop)
        length += len(block)
        if length > member.size:
            break
        crc = library.crc32(block, crc)
        yield block
    if (length, crc) != (member.size, member.crc):
        raise BadBytesError(f"the zip cannot be read: {member.name!r:.99} is not what the directory says")


def _packed(handle: int, member: Member) -> Packed:
    at, end = member.start, member.start + member.packed
    while block := os.pread(handle, min(BLOCK, end - at), at):
        yield block
        at += len(block)


def _inflated(packed: Packed) -> Iterator[bytes]:
    return _unpacked(library.decompressobj(-zlib.MAX_WBITS), packed)


def _bunzipped(packed: Packed) -> Iterator[bytes]:
    return _unpacked(bz2.BZ2Decompressor(), packed)


def _unlzmad(packed: Packed) -> Iterator[bytes]:
    first = next(packed, b"")
    if len(first) < _LZMA.size or not first.startswith(_LZMA_REST, 2):
        raise BadBytesError("the zip cannot be read: LZMA without its properties")
    _, powers, dictionary = _LZMA.unpack_from(first)
    if dictionary > _LARGEST_DICTIONARY:
        raise BadBytesError("the zip uses a compression that needs more memory than we give")
    lc, lp, pb = powers % 9, powers // 9 % 5, powers // 45
    properties = {"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": lc, "lp": lp, "pb": pb}
    try:
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[properties])
    except (lzma.LZMAError, ValueError) as error:
        raise BadBytesError(f"the zip cannot be read: {error}") from error
    return _unpacked(unpacker, chain([first[_LZMA.size :]], packed), marked=False)


def _unpacked(
    unpacker: Any,  # noqa: ANN401 - of one of four libraries
    packed: Packed,
    *,
    marked: bool = True,
) -> Iterator[bytes]:
    """Packed bytes have to end with their mark of the end, or, where it need not be there, not behind it."""
    for block in packed:
        rest = block
        if unpacker.eof:
            raise BadBytesError("the zip cannot be read: a member goes on behind its end")
        while piece := _step(unpacker, rest):
            yield piece
            rest = getattr(unpacker, "unconsumed_tail", b"")
    if unpacker.unused_data or (marked and not unpacker.eof):
        raise BadBytesError("the zip cannot be read: a member does not end where it should")


def _step(unpacker: Any, packed: bytes) -> bytes:  # noqa: ANN401 - as above
    try:
        return b"" if unpacker.eof else unpacker.decompress(packed, BLOCK)
    except (zlib.error, library.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise BadBytesError(f"the zip cannot be read: {error}") from error


_METHODS: Mapping[int, Callable[[Packed], Iterator[bytes]]] = {
    zipfile.ZIP_STORED: lambda packed: packed,
    zipfile.ZIP_DEFLATED: _inflated,
    zipfile.ZIP_BZIP2: _bunzipped,
    zipfile.ZIP_LZMA: _unlzmad,
}
