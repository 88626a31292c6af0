"""Verifies that a complete partial is a valid zip. Blocking: runs in a worker thread."""

import hashlib
import os
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

_ZIP_MAGICS = (LOCAL_HEADER, *SPANNING_MARKERS)
_MAGIC_BYTES = 16  # enough for each of them
_PARALLEL_FROM_BYTES, _THREADS = 32 * 2**20, 2
_NONE_KNOWN: Mapping[tuple[int, int], int] = MappingProxyType({})


def check_zip(
    path: Path, stop: threading.Event, known_crcs: Mapping[tuple[int, int], int] = _NONE_KNOWN
) -> None:
    """Check that the file is a valid zip; raises `BadBytesError`.

    `known_crcs` has the CRC-32 of packed bytes by their start and size: those stored members are not read.
    Raises `InterruptedError` soon after `stop` is set, as `digest` does: both can take minutes.
    """
    with path.open("rb") as file:
        if not file.read(_MAGIC_BYTES).startswith(_ZIP_MAGICS):
            raise BadBytesError("the downloaded file is not a zip: wrong leading bytes")
        members = list_members(file)
        _read_members(file, list(_check_known(members, known_crcs)), stop)


def digest(
    path: Path,
    stop: threading.Event | None = None,
    on_bytes: Callable[[int], None] | None = None,
    *,
    algorithm: str = "sha256",
) -> str:
    """Return a digest of the bytes on disk, past the page cache; `on_bytes` receives each block's size."""
    found = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while block := file.read(BLOCK):
            found.update(block)
            if on_bytes is not None:
                on_bytes(len(block))
            raise_if_stopped(stop)
    return found.hexdigest()


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
