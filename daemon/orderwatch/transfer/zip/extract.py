"""Extracts a zip into a folder: complete and durable, or not at all. Blocking."""

import errno
import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from orderwatch.core.formatting import format_bytes
from orderwatch.errors import NotExtractedError
from orderwatch.fsync import sync
from orderwatch.transfer.fsops import DEFAULT_PERMISSIONS, Permissions, apply_permissions, make_folders
from orderwatch.transfer.zip.decompress import BLOCK, zlib_library
from orderwatch.transfer.zip.directory import list_members
from orderwatch.transfer.zip.member import Member
from orderwatch.transfer.zip.plan import ExtractPlan, plan_extract
from orderwatch.transfer.zip.reader import raise_if_stopped, read_member

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
    for folder in plan.folders:
        raise_if_stopped(stop)
        with _translate_name_errors(folder):
            (work / folder).mkdir()
    for path, member in plan.files.items():
        raise_if_stopped(stop)
        with _translate_name_errors(path), (work / path).open("xb") as out:
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
def _translate_name_errors(path: str) -> Iterator[None]:
    """Raise `NotExtractedError` for names that the file system rejects or equates: a retry would not help."""
    try:
        yield
    except OSError as error:
        if error.errno in _BAD_NAME_ERRNOS:
            raise NotExtractedError(
                f"the file system rejects a name: {path!r:.99}: {error.strerror}"
            ) from error
        if error.errno == errno.EEXIST:
            raise NotExtractedError(
                f"{path!r:.99} is the name of another member on this file system"
            ) from error
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
