"""Reads the content of a zip's members, block by block in bounded memory. Blocking."""

import os
import threading
from collections.abc import Iterator

from orderwatch.transfer.zip.decompress import BLOCK, decompress, zlib_library
from orderwatch.transfer.zip.member import Member, mismatch


def raise_if_stopped(stop: threading.Event | None) -> None:
    """Raise `InterruptedError` once `stop` is set."""
    if stop is not None and stop.is_set():
        raise InterruptedError


def read_member(handle: int, member: Member, stop: threading.Event | None) -> Iterator[bytes]:
    """Yield the content in blocks of about a MiB. Raises `BadBytesError`, at its end at the latest."""
    length = crc = 0
    for block in decompress(_read_packed(handle, member), member) if member.packed else ():
        raise_if_stopped(stop)
        length += len(block)
        if length > member.size:
            break
        crc = zlib_library.crc32(block, crc)
        yield block
    if (length, crc) != (member.size, member.crc):
        raise mismatch(member)


def _read_packed(handle: int, member: Member) -> Iterator[bytes]:
    at, end = member.start, member.start + member.packed
    while block := os.pread(handle, min(BLOCK, end - at), at):
        yield block
        at += len(block)
