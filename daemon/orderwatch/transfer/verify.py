"""Whether a complete partial is what it should be. Blocking: runs in a worker thread."""

import hashlib
import os
import re
import threading
import zipfile
import zlib
from pathlib import Path
from typing import IO

from orderwatch.errors import BadBytesError

_BLOCK = 2**20
_LEAD = 64  # bytes that tell what a file is
_ZIP = b"PK\x03\x04"
_EOCD = b"PK\x05\x06"
_EOCD_SIZE = 22
_COUNT, _COMMENT_SIZE = slice(10, 12), slice(20, 22)
_COUNTED_ELSEWHERE = 0xFFFF  # in the records of zip64
_TAIL = _EOCD_SIZE + 2**16  # the longest comment
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    MemoryError,
)
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # the others may unpack a few bytes into all memory
_PNG = b"\x89PNG"
_PNG_END = b"IEND\xaeB`\x82"
_PAGE = re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE)


def check(path: Path, attachment: str, stop: threading.Event) -> None:
    """Check the bytes as what the attachment should be; `BadBytesError` says what is wrong.

    `InterruptedError` soon after `stop` is set, here and in `digest`: both may take minutes.
    """
    with path.open("rb") as file:
        first = file.read(_LEAD)
        if not first:
            raise BadBytesError("the file is empty")
        size = path.stat().st_size
        if attachment == "delivery_zip":
            _check_zip(file, size, stop)
        else:
            _check_picture_or_text(file, first, size)


def _check_picture_or_text(file: IO[bytes], first: bytes, size: int) -> None:
    """What the other attachments hold is not ours to judge, but a page or half a picture is no file."""
    if _PAGE.match(first):
        raise BadBytesError("what came is a page, not a file")
    if first.startswith(_PNG):
        file.seek(max(0, size - len(_PNG_END)))
        if file.read() != _PNG_END:
            raise BadBytesError("the picture is not complete")


def digest(path: Path, stop: threading.Event | None = None) -> str:
    """The sha256 of the bytes on the disk, not of those the page cache remembers."""
    found = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while block := file.read(_BLOCK):
            found.update(block)
            _heed(stop)
    return found.hexdigest()


def _heed(stop: threading.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise InterruptedError


def _check_zip(file: IO[bytes], size: int, stop: threading.Event) -> None:
    file.seek(0)
    if file.read(len(_ZIP)) != _ZIP:
        raise BadBytesError("what came is no zip: wrong leading bytes")
    count = _check_end(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if not members:
                raise BadBytesError("the zip holds no member")
            if count not in {len(members), _COUNTED_ELSEWHERE}:
                raise BadBytesError(f"the zip lists {len(members)} members but says {count}")
            if min(member.header_offset for member in members) != 0:
                raise BadBytesError("the zip does not begin where the file begins")
            for member in members:
                _check_member(archive, member, stop)
    except _UNREADABLE as error:
        raise BadBytesError(f"the zip cannot be read: {error}") from error


def _check_end(file: IO[bytes], size: int) -> int:
    """The end record must close the file: zipfile itself would accept bytes behind it. Returns its count."""
    file.seek(max(0, size - _TAIL))
    tail = file.read()
    at = tail.rfind(_EOCD)
    if at < 0 or len(tail) - at < _EOCD_SIZE:
        raise BadBytesError("the zip has no end record: it is not complete")
    comment = int.from_bytes(tail[at:][_COMMENT_SIZE], "little")
    if at + _EOCD_SIZE + comment != len(tail):
        raise BadBytesError("the zip has foreign bytes behind its end")
    return int.from_bytes(tail[at:][_COUNT], "little")


def _check_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, stop: threading.Event) -> None:
    if member.compress_type not in _METHODS:
        raise BadBytesError("the zip uses a compression that we do not unpack")
    length = 0
    with archive.open(member) as content:
        while block := content.read(_BLOCK):  # raises where the CRC is wrong
            length += len(block)
            _heed(stop)
    if length != member.file_size:
        raise BadBytesError("a member of the zip is not as long as it says")
