"""Inspects a delivery tree for verify, repair and scrub: reads, walks and quarantines files."""

import asyncio
import os
import stat
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

from orderwatch.cancellation import shielded
from orderwatch.core.deliveries.audit import Reading
from orderwatch.core.deliveries.paths import alternative
from orderwatch.fsync import sync
from orderwatch.ports.tree_audit import WalkResult
from orderwatch.transfer.fsops import is_other_mount, make_folders, move, translate_os_errors, write_durable
from orderwatch.transfer.partial_file import remove_partial
from orderwatch.transfer.tree.side_staging import HIDDEN_PREFIX, remove_beside
from orderwatch.transfer.zip.verify import digest

R = TypeVar("R")

_STAGING = ".orderwatch"
_REASON_SUFFIX = ".reason.txt"
_MAX_SIDECAR_BYTES = 16 * 2**20  # a longer file is not a sidecar
_NOT_MOUNTED = "no delivery tree exists here: is its disk mounted? (the daemon creates one when it starts)"
_LOST_AND_FOUND = "lost+found"  # every ext4 volume has one


class TreeInspector:
    """One delivery tree. Raises `DiskError` if a write fails."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staging = root / _STAGING

    async def absence(self) -> str | None:
        """Return why there is nothing at the root; an empty folder may be an unmounted disk."""
        return None if await _in_thread(lambda _stop: self.is_there()) else _NOT_MOUNTED

    def is_there(self) -> bool:
        """Return whether the root holds anything. Blocking."""
        try:
            with os.scandir(self._root) as entries:
                return any(True for _ in entries)
        except OSError:
            return False

    async def read(self, path: str, size: int | None, on_bytes: Callable[[int], None]) -> Reading:
        return await _in_thread(partial(_read, self._root / path, size, on_bytes))

    async def read_sidecar(self, path: str) -> tuple[bytes | None, str | None]:
        """Return the content (None if missing or unreadable) and the error, if any."""
        return await _in_thread(lambda _stop: _read_sidecar(self._root / path))

    async def walk(self, exclude: Collection[str]) -> WalkResult:
        """List every file except those in staging and below the paths `exclude`."""
        folders = [self._staging, *(self._root / path for path in exclude)]
        return await _in_thread(partial(_walk, self._root, folders))

    async def quarantine(self, path: str, reason: str) -> None:
        """Move the file at a path, if any, into quarantine, with the reason beside it."""
        with translate_os_errors(f"cannot quarantine {path}"):
            await _in_thread(lambda _stop: self._quarantine(self._root / path, reason))

    async def write_sidecar(self, path: str, content: bytes, temporary: str) -> None:
        """Write a missing sidecar: durable under the temporary name `temporary`, then renamed."""
        with translate_os_errors(f"cannot write {path}"):
            await _in_thread(lambda _stop: self._write_sidecar(self._root / path, content, temporary))

    async def remove_partial(self, part: str) -> None:
        """Remove a partial that a crash left; it may be a second name of the stored file."""
        with translate_os_errors("cannot remove the partial"):
            await _in_thread(lambda _stop: self._remove_partial(self._staging / "partial" / part))

    def _remove_partial(self, part: Path) -> None:
        if part.parent.is_dir():
            remove_beside(part)
        remove_partial(part)

    def _quarantine(self, path: Path, reason: str) -> None:
        if not os.path.lexists(path):
            return
        quarantine = self._staging / "quarantine"
        make_folders(quarantine)
        name = _free_name(quarantine, path.name)
        reason_file = quarantine / f"{name}{_REASON_SUFFIX}"
        try:
            write_durable(reason_file, f"{reason}\nwas {path}\n".encode(errors="backslashreplace"))
            move(path, quarantine / name)
        except OSError:
            reason_file.unlink(missing_ok=True)
            raise
        sync(quarantine)
        sync(path.parent)

    def _write_sidecar(self, path: Path, content: bytes, temporary: str) -> None:
        folder = self._staging / "repair"  # not cleaned up at start
        make_folders(folder)
        staged = folder / temporary
        if is_other_mount(folder, path.parent):
            staged = path.with_name(f"{HIDDEN_PREFIX}{temporary}")
        write_durable(staged, content)
        staged.replace(path)
        sync(path.parent)


def _free_name(quarantine: Path, wanted: str) -> str:
    """Return a free name in quarantine, reserved by creating the file for the reason."""
    for number in count(1):
        name = wanted if number == 1 else alternative(wanted, number)
        if os.path.lexists(quarantine / name):
            continue
        with suppress(FileExistsError):
            (quarantine / f"{name}{_REASON_SUFFIX}").touch(exist_ok=False)
            return name
    raise AssertionError("there is always another number")


def _read(path: Path, size: int | None, on_bytes: Callable[[int], None], stop: threading.Event) -> Reading:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return Reading(trouble="not a regular file")
        if found.st_size != size:
            return Reading(size=found.st_size)
        return Reading(size=size, sha256=digest(path, stop, on_bytes))
    except InterruptedError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        return Reading()
    except OSError as error:
        return Reading(trouble=_error_text(error))


def _read_sidecar(path: Path) -> tuple[bytes | None, str | None]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None, "not a regular file"
        with path.open("rb") as file:
            return file.read(_MAX_SIDECAR_BYTES), None
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    except OSError as error:
        return None, _error_text(error)


def _walk(root: Path, exclude: Collection[Path], stop: threading.Event) -> WalkResult:
    found = WalkResult()
    elsewhere = {*map(str, exclude), str(root / _LOST_AND_FOUND)}

    def record(error: OSError) -> None:
        found.errors[os.path.relpath(error.filename, root)] = _error_text(error)

    for folder, folders, names in os.walk(root, onerror=record):
        if stop.is_set():
            raise InterruptedError
        folders[:] = sorted(
            name
            for name in folders
            if str(Path(folder, name)) not in elsewhere and not name.startswith(HIDDEN_PREFIX)
        )
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in (*names, *links):
            if name.startswith(HIDDEN_PREFIX):
                continue  # staged by the daemon, on a separate mount
            path = Path(folder, name)
            try:
                found.files[os.path.relpath(path, root)] = path.lstat().st_size
            except FileNotFoundError:
                continue  # removed since the folder was listed
            except OSError as error:
                record(error)
    return found


def _error_text(error: OSError) -> str:
    return error.strerror or "disk error"


async def _in_thread(work: Callable[[threading.Event], R]) -> R:
    """Run in a thread; if cancelled, set `stop` and wait for the work to end."""
    stop = threading.Event()
    return await shielded(asyncio.to_thread(work, stop), hurry=stop.set)
