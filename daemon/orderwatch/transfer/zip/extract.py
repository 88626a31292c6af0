"""Extracts a zip into a folder: complete and durable, or not at all. Blocking."""

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
from orderwatch.transfer.fsops import DEFAULT_PERMISSIONS, Permissions, apply_permissions, make_folders
from orderwatch.transfer.zip.directory import Member, list_members
from orderwatch.transfer.zip.reader import BLOCK, raise_if_stopped, read_member, zlib_library

_MAX_NAME_BYTES, _MAX_PATH_BYTES, _MAX_DEPTH = 255, 1000, 32  # depth in path components
_MAX_FOLDERS = 10_000
_DRIVE = re.compile(r"[A-Za-z]:")


class ExtractPlan(NamedTuple):
    """Paths of files, and of the folders they need, parents first."""

    files: dict[str, Member]
    folders: list[str]


def plan_extract(members: Sequence[Member]) -> ExtractPlan:
    """Return the paths of all members.

    Raises `NotExtractedError` if one is not a plain file or folder, leads out of the folder or collides.
    """
    plan = ExtractPlan({}, [])
    taken: dict[str, str] = {}
    for member in members:
        parts, is_folder = _parts(member.name), member.name.endswith("/")
        _check_kind(member, is_folder=is_folder)
        for depth in range(1, len(parts) + is_folder):
            folder = "/".join(parts[:depth])
            if (key := collision_key(folder)) not in taken:
                plan.folders.append(folder)
            if taken.setdefault(key, f"{folder}/") != f"{folder}/":
                raise NotExtractedError(f"{member.name!r:.99} collides with another member")
        if len(plan.folders) > _MAX_FOLDERS:
            raise NotExtractedError(f"the zip needs more than {_MAX_FOLDERS} folders")
        if not is_folder:
            path = "/".join(parts)
            if taken.setdefault(collision_key(path), path) != path or path in plan.files:
                raise NotExtractedError(f"{member.name!r:.99} collides with another member")
            plan.files[path] = member
    return plan


def _parts(name: str) -> list[str]:
    """Return the components of a path, without `.` and empty ones."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if not parts or name.startswith("/") or _DRIVE.match(parts[0]) or not all(map(_is_safe, parts)):
        raise NotExtractedError(f"{name!r:.99} is not a safe file name")
    longest = max(len(part.encode()) for part in parts)
    if longest > _MAX_NAME_BYTES or len(name.encode()) > _MAX_PATH_BYTES or len(parts) > _MAX_DEPTH:
        raise NotExtractedError(f"{name!r:.99} is too long a name")
    return parts


def _is_safe(part: str) -> bool:
    """Reject `..`, separators and trailing characters of other systems, and names of devices."""
    return part.isprintable() and "\\" not in part and part == part.rstrip(". ") and not is_reserved(part)


def _check_kind(member: Member, *, is_folder: bool) -> None:
    """Reject links, devices, pipes and sockets by their mode."""
    expected = stat.S_IFDIR if is_folder else stat.S_IFREG
    if stat.S_IFMT(member.mode) not in {0, expected} or (is_folder and member.size):
        raise NotExtractedError(f"{member.name!r:.99} is neither a regular file nor a folder")


_MAX_MEMBERS = 10_000
_ALWAYS_ALLOWED_BYTES = 10**9  # extracted at any ratio
_MAX_RATIO = 20  # imagery compresses to a half or a third
_BAD_NAME_ERRNOS = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}
_NAME_TAKEN_ERRNOS = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EBUSY}


def extract(
    source: Path,
    work: Path,
    target: Path,
    on_bytes: Callable[[int], object],
    stop: threading.Event,
    *,
    permissions: Permissions = DEFAULT_PERMISSIONS,
) -> tuple[Path, int]:
    """Extract into `work`, then rename it to `target` or the next free name; returns that and the file count.

    An existing folder with exactly these members counts. `on_bytes` receives the size of each block written.
    Raises `NotExtractedError` if the zip is not extracted.
    """
    with source.open("rb") as file:
        plan = _read_plan(file)
        _remove_folder(work)
        try:
            for final in _candidate_names(target):
                if _is_extracted(final, plan, stop):
                    break
                if not os.path.lexists(final):
                    if not work.exists():
                        _unpack(file, plan, work, on_bytes, stop)
                        _make_durable(plan, work, stop, permissions)
                    if _rename(work, final):
                        break
        finally:
            _remove_folder(work)
    sync(final.parent)
    return final, len(plan.files)


def needed(source: Path, target: Path, stop: threading.Event) -> int:
    """Return the bytes that extracting will write; 0 if it is already done. Raises `NotExtractedError`."""
    with source.open("rb") as file:
        plan = _read_plan(file)
    if any(
        _is_extracted(final, plan, stop)
        for final in itertools.takewhile(os.path.lexists, _candidate_names(target))
    ):
        return 0
    return sum(member.size for member in plan.files.values())


def _candidate_names(target: Path) -> Iterator[Path]:
    yield target
    for number in itertools.count(2):
        yield target.with_name(f"{target.name}-{number}")


def _read_plan(file: IO[bytes]) -> ExtractPlan:
    members = list_members(file)
    if len(members) > _MAX_MEMBERS:
        raise NotExtractedError(f"the zip has {len(members)} members, more than the limit of {_MAX_MEMBERS}")
    total, packed = sum(member.size for member in members), os.fstat(file.fileno()).st_size
    if total > max(_ALWAYS_ALLOWED_BYTES, _MAX_RATIO * packed):
        raise NotExtractedError(
            f"the zip of {format_bytes(packed)} would extract to {format_bytes(total)}, above the limit"
        )
    return plan_extract(members)


def _unpack(
    file: IO[bytes], plan: ExtractPlan, work: Path, on_bytes: Callable[[int], object], stop: threading.Event
) -> None:
    make_folders(work.parent)
    work.mkdir()
    with _translate_name_errors():
        for folder in plan.folders:
            (work / folder).mkdir()
        for path, member in plan.files.items():
            with (work / path).open("xb") as out:
                for block in read_member(file.fileno(), member, stop):
                    out.write(block)
                    on_bytes(len(block))


def _make_durable(plan: ExtractPlan, work: Path, stop: threading.Event, permissions: Permissions) -> None:
    """Sync everything after all is written, so that the kernel can write in the meantime."""
    for path in (*plan.files, *plan.folders, ""):
        raise_if_stopped(stop)
        apply_permissions(work / path, permissions)
        sync(work / path)


@contextmanager
def _translate_name_errors() -> Iterator[None]:
    """Raise `NotExtractedError` for invalid names: a retry would not help."""
    try:
        yield
    except OSError as error:
        if error.errno in _BAD_NAME_ERRNOS:
            raise NotExtractedError(f"the file system rejects a name: {error.strerror}") from error
        raise


def _is_extracted(folder: Path, plan: ExtractPlan, stop: threading.Event) -> bool:
    """Return whether the folder holds exactly these files, as after a crash that followed the rename."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    left, folders = dict(plan.files), set(plan.folders)
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            if name not in folders:
                return False
        elif (member := left.pop(name, None)) is None or not _is_member(path, member, stop):
            return False
    return not left


def _is_member(path: Path, member: Member, stop: threading.Event) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != member.size:
        return False
    crc = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            raise_if_stopped(stop)
            crc = zlib_library.crc32(block, crc)
    return crc == member.crc


def _rename(work: Path, final: Path) -> bool:
    """Rename the folder; returns False if a file or a non-empty folder has the name."""
    try:
        work.rename(final)
    except OSError as error:
        if error.errno in _NAME_TAKEN_ERRNOS:
            return False
        raise
    return True


def _remove_folder(work: Path) -> None:
    if work.exists():
        shutil.rmtree(work)
