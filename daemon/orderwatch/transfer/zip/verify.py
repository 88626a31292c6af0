"""Verifies that a complete partial is a valid file of its kind. Blocking: runs in a worker thread."""

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import IO

from orderwatch.errors import BadBytesError
from orderwatch.transfer.zip.decompress import BLOCK
from orderwatch.transfer.zip.directory import list_members
from orderwatch.transfer.zip.member import Member, mismatch
from orderwatch.transfer.zip.reader import raise_if_stopped, read_member
from orderwatch.transfer.zip.records import LOCAL_HEADER, SPANNING_MARKERS, STORED

_HEAD_BYTES = 64  # enough to recognise a file type
_ZIP_MAGICS = (LOCAL_HEADER, *SPANNING_MARKERS)
_PARALLEL_FROM_BYTES, _THREADS = 32 * 2**20, 2
_PNG_MAGIC = b"\x89PNG"
_PNG_END = b"IEND\xaeB`\x82"
_NONE_KNOWN: Mapping[tuple[int, int], int] = MappingProxyType({})
_PAGE = re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE)


def check(
    path: Path,
    attachment: str,
    stop: threading.Event,
    known_crcs: Mapping[tuple[int, int], int] = _NONE_KNOWN,
) -> None:
    """Check that the file is valid for its attachment type; raises `BadBytesError`.

    `known_crcs` has the CRC-32 of packed bytes by their start and size: those stored members are not read.
    Raises `InterruptedError` soon after `stop` is set, as `digest` does: both can take minutes.
    """
    with path.open("rb") as file:
        first = file.read(_HEAD_BYTES)
        if not first:
            raise BadBytesError("the file is empty")
        size = path.stat().st_size
        if attachment != "delivery_zip":
            _check_picture_or_text(file, first, size)
        elif first.startswith(_ZIP_MAGICS):
            _check_zip(file, stop, known_crcs)
        else:
            raise BadBytesError("the downloaded file is not a zip: wrong leading bytes")


def _check_picture_or_text(file: IO[bytes], first: bytes, size: int) -> None:
    """Reject an HTML page and a truncated PNG; other contents are not checked."""
    if _PAGE.match(first):
        raise BadBytesError("the downloaded file is a web page")
    if first.startswith(_PNG_MAGIC):
        file.seek(max(0, size - len(_PNG_END)))
        if file.read() != _PNG_END:
            raise BadBytesError("the picture is incomplete")


def digest(
    path: Path, stop: threading.Event | None = None, on_bytes: Callable[[int], None] | None = None
) -> str:
    """Return the sha256 of the bytes on disk, past the page cache; `on_bytes` receives each block's size."""
    found = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while block := file.read(BLOCK):
            found.update(block)
            if on_bytes is not None:
                on_bytes(len(block))
            raise_if_stopped(stop)
    return found.hexdigest()


def _check_zip(file: IO[bytes], stop: threading.Event, known_crcs: Mapping[tuple[int, int], int]) -> None:
    members = list_members(file)
    _read_members(file, list(_check_known(members, known_crcs)), stop)


def _check_known(members: Sequence[Member], known_crcs: Mapping[tuple[int, int], int]) -> Iterator[Member]:
    """Compare the stored members whose CRC is known; yield the others."""
    for member in members:
        crc = known_crcs.get((member.start, member.packed)) if member.method == STORED else None
        if crc is None:
            yield member
        elif (member.packed, crc) != (member.size, member.crc):
            raise mismatch(member)


def _read_members(file: IO[bytes], members: Sequence[Member], stop: threading.Event) -> None:
    """Decompress every member, the largest first; in a large zip two at once (zlib releases the GIL)."""
    left = iter(sorted(members, key=lambda member: member.packed, reverse=True))
    failures: list[Exception] = []

    def work() -> None:
        try:
            for member in left:
                for _ in read_member(file.fileno(), member, stop):
                    if failures:
                        return
        except Exception as error:  # noqa: BLE001 - raised below, by the thread that waits
            failures.append(error)

    if sum(member.size for member in members) < _PARALLEL_FROM_BYTES:
        work()
    else:
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="verify") as pool:
            for _ in range(_THREADS):
                pool.submit(work)
    if failures:
        raise failures[0]
