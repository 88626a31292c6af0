"""A zip's members as files in a folder: whole, durable and beside the zip, or not at all. Blocking."""

import errno
import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from orderwatch.core.sizes import amount
from orderwatch.durable import sync
from orderwatch.errors import NotExtractedError
from orderwatch.transfer.archive import Member, members_of
from orderwatch.transfer.disk import give, make_folders
from orderwatch.transfer.naming import Places, places_of
from orderwatch.transfer.rights import USUAL, Rights
from orderwatch.transfer.unpack import BLOCK, contents, heed, library

_MOST_MEMBERS = 10_000
_HARMLESS = 10**9  # bytes, whatever they were packed into
_RATIO = 20  # imagery packs to a half or a third
_NO_NAME = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EBUSY}


def extract(
    source: Path,
    work: Path,
    wanted: Path,
    wrote: Callable[[int], object],
    stop: threading.Event,
    *,
    rights: Rights = USUAL,
) -> tuple[Path, int]:
    """Unpack into `work`, which then gets the name `wanted` or the next free one: that, and how many files.

    A folder there that holds the very members counts. `wrote` is told how many bytes were just written.
    `NotExtractedError` where the zip is not what we unpack.
    """
    with source.open("rb") as file:
        places = _places(file)
        _clear(work)
        try:
            for final in _names(wanted):
                if _holds(final, places, stop):
                    break
                if not os.path.lexists(final):
                    if not work.exists():
                        _unpack(file, places, work, wrote, stop)
                        _make_durable(places, work, stop, rights)
                    if _rename(work, final):
                        break
        finally:
            _clear(work)
    sync(final.parent)
    return final, len(places.files)


def needed(source: Path, wanted: Path, stop: threading.Event) -> int:
    """Bytes that extracting will write: none where the folder stands already. `NotExtractedError`."""
    with source.open("rb") as file:
        places = _places(file)
    if any(_holds(final, places, stop) for final in itertools.takewhile(os.path.lexists, _names(wanted))):
        return 0
    return sum(member.size for member in places.files.values())


def _names(wanted: Path) -> Iterator[Path]:
    yield wanted
    for number in itertools.count(2):
        yield wanted.with_name(f"{wanted.name}-{number}")


def _places(file: IO[bytes]) -> Places:
    members = members_of(file)
    if len(members) > _MOST_MEMBERS:
        raise NotExtractedError(f"{len(members)} members are more than we extract")
    total, packed = sum(member.size for member in members), os.fstat(file.fileno()).st_size
    if total > max(_HARMLESS, _RATIO * packed):
        raise NotExtractedError(f"{amount(total)} out of {amount(packed)} are more than we extract")
    return places_of(members)


def _unpack(
    file: IO[bytes], places: Places, work: Path, wrote: Callable[[int], object], stop: threading.Event
) -> None:
    make_folders(work.parent)
    work.mkdir()
    with _names_are_taken_as_they_are():
        for folder in places.folders:
            (work / folder).mkdir()
        for path, member in places.files.items():
            with (work / path).open("xb") as out:
                for block in contents(file.fileno(), member, stop):
                    out.write(block)
                    wrote(len(block))


def _make_durable(places: Places, work: Path, stop: threading.Event, rights: Rights) -> None:
    """After everything is written, so that the disk works while we do."""
    for path in (*places.files, *places.folders, ""):
        heed(stop)
        give(work / path, rights)
        sync(work / path)


@contextmanager
def _names_are_taken_as_they_are() -> Iterator[None]:
    """To try again would not help."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_NAME:
            raise NotExtractedError(f"the file system takes no such name: {error.strerror}") from error
        raise


def _holds(folder: Path, places: Places, stop: threading.Event) -> bool:
    """Exactly these files with this content stand there, as after a crash behind the renaming."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    left, folders = dict(places.files), set(places.folders)
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            if name not in folders:
                return False
        elif (member := left.pop(name, None)) is None or not _is(path, member, stop):
            return False
    return not left


def _is(path: Path, member: Member, stop: threading.Event) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != member.size:
        return False
    crc = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            heed(stop)
            crc = library.crc32(block, crc)
    return crc == member.crc


def _rename(work: Path, final: Path) -> bool:
    """A folder takes no name that a file or another folder has, unless that one is empty."""
    try:
        work.rename(final)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def _clear(work: Path) -> None:
    if work.exists():
        shutil.rmtree(work)
