"""Whether a complete partial is what it should be. Blocking: runs in a worker thread."""

import hashlib
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from orderwatch.errors import BadBytesError
from orderwatch.transfer.zip.directory import members_of
from orderwatch.transfer.zip.reader import BLOCK, contents, heed

_LEAD = 64  # bytes that tell what a file is
_ZIP = b"PK\x03\x04"
_LARGE, _THREADS = 32 * 2**20, 2
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
        if attachment != "delivery_zip":
            _check_picture_or_text(file, first, size)
        elif first.startswith(_ZIP):
            _check_zip(file, stop)
        else:
            raise BadBytesError("what came is no zip: wrong leading bytes")


def _check_picture_or_text(file: IO[bytes], first: bytes, size: int) -> None:
    """What the other attachments hold is not ours to judge, but a page or half a picture is no file."""
    if _PAGE.match(first):
        raise BadBytesError("what came is a page, not a file")
    if first.startswith(_PNG):
        file.seek(max(0, size - len(_PNG_END)))
        if file.read() != _PNG_END:
            raise BadBytesError("the picture is not complete")


def digest(
    path: Path, stop: threading.Event | None = None, heard: Callable[[int], None] | None = None
) -> str:
    """The sha256 of the bytes on the disk, not of those the page cache remembers; `heard` counts them."""
    found = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while block := file.read(BLOCK):
            found.update(block)
            if heard is not None:
                heard(len(block))
            heed(stop)
    return found.hexdigest()


def _check_zip(file: IO[bytes], stop: threading.Event) -> None:
    """Unpack every member, the largest first; of a large zip two at once, since the libraries let us."""
    members = members_of(file)
    left = iter(sorted(members, key=lambda member: member.packed, reverse=True))
    failures: list[Exception] = []

    def work() -> None:
        try:
            for member in left:
                for _ in contents(file.fileno(), member, stop):
                    if failures:
                        return
        except Exception as error:  # noqa: BLE001 - raised below, by the thread that waits
            failures.append(error)

    if sum(member.size for member in members) < _LARGE:
        work()
    else:
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="verify") as pool:
            for _ in range(_THREADS):
                pool.submit(work)
    if failures:
        raise failures[0]
