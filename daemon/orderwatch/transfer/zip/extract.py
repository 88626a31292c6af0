"""A zip's members as files in a folder: whole, durable and beside the zip, or not at all. Blocking."""

import errno
import itertools
import os
import re
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from orderwatch.core.deliveries.paths import collision_key, is_reserved
from orderwatch.core.formatting import format_bytes
from orderwatch.errors import NotExtractedError
from orderwatch.fsync import sync
from orderwatch.transfer.fsops import DEFAULT_PERMISSIONS, Permissions, give, make_folders
from orderwatch.transfer.zip.directory import Member, members_of
from orderwatch.transfer.zip.reader import BLOCK, contents, heed, library

_LONGEST_NAME, _LONGEST_PATH, _DEEPEST = 255, 1000, 32  # bytes, bytes, components
_MOST_FOLDERS = 10_000
_DRIVE = re.compile(r"[A-Za-z]:")


class ExtractPlan(NamedTuple):
    """Paths of files, and of the folders they need: each folder after the one it is in."""

    files: dict[str, Member]
    folders: list[str]


def plan_extract(members: Sequence[Member]) -> ExtractPlan:
    """`NotExtractedError` where one is no plain file or folder, would lead out, or two would be one."""
    places = ExtractPlan({}, [])
    taken: dict[str, str] = {}
    for member in members:
        parts, is_folder = _parts(member.name), member.name.endswith("/")
        _check_kind(member, is_folder=is_folder)
        for depth in range(1, len(parts) + is_folder):
            folder = "/".join(parts[:depth])
            if (key := collision_key(folder)) not in taken:
                places.folders.append(folder)
            if taken.setdefault(key, f"{folder}/") != f"{folder}/":
                raise NotExtractedError(f"{member.name!r:.99} would be one with another member")
        if len(places.folders) > _MOST_FOLDERS:
            raise NotExtractedError(f"more than {_MOST_FOLDERS} folders are more than we make")
        if not is_folder:
            path = "/".join(parts)
            if taken.setdefault(collision_key(path), path) != path or path in places.files:
                raise NotExtractedError(f"{member.name!r:.99} would be one with another member")
            places.files[path] = member
    return places


def _parts(name: str) -> list[str]:
    """The components of a path; dots and doubled slashes that mean nothing are left out."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if not parts or name.startswith("/") or _DRIVE.match(parts[0]) or not all(map(_is_safe, parts)):
        raise NotExtractedError(f"{name!r:.99} is no name that we give to a file")
    longest = max(len(part.encode()) for part in parts)
    if longest > _LONGEST_NAME or len(name.encode()) > _LONGEST_PATH or len(parts) > _DEEPEST:
        raise NotExtractedError(f"{name!r:.99} is too long a name")
    return parts


def _is_safe(part: str) -> bool:
    """No '..', nothing that some system takes for a separator or leaves out, nothing that is a device."""
    return part.isprintable() and "\\" not in part and part == part.rstrip(". ") and not is_reserved(part)


def _check_kind(member: Member, *, is_folder: bool) -> None:
    """Links, devices, pipes and sockets are told by their mode, on whatever system the zip was made."""
    expected = stat.S_IFDIR if is_folder else stat.S_IFREG
    if stat.S_IFMT(member.mode) not in {0, expected} or (is_folder and member.size):
        raise NotExtractedError(f"{member.name!r:.99} is neither a plain file nor a folder")


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
    permissions: Permissions = DEFAULT_PERMISSIONS,
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
                        _make_durable(places, work, stop, permissions)
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


def _places(file: IO[bytes]) -> ExtractPlan:
    members = members_of(file)
    if len(members) > _MOST_MEMBERS:
        raise NotExtractedError(f"{len(members)} members are more than we extract")
    total, packed = sum(member.size for member in members), os.fstat(file.fileno()).st_size
    if total > max(_HARMLESS, _RATIO * packed):
        raise NotExtractedError(
            f"{format_bytes(total)} out of {format_bytes(packed)} are more than we extract"
        )
    return plan_extract(members)


def _unpack(
    file: IO[bytes], places: ExtractPlan, work: Path, wrote: Callable[[int], object], stop: threading.Event
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


def _make_durable(places: ExtractPlan, work: Path, stop: threading.Event, permissions: Permissions) -> None:
    """After everything is written, so that the disk works while we do."""
    for path in (*places.files, *places.folders, ""):
        heed(stop)
        give(work / path, permissions)
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


def _holds(folder: Path, places: ExtractPlan, stop: threading.Event) -> bool:
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
