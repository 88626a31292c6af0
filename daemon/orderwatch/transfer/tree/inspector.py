"""A delivery tree as it is found, by whoever looks after it: read, walked, set aside."""

import asyncio
import os
import stat
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

from orderwatch.cancellation import shielded
from orderwatch.core.deliveries.audit import Reading
from orderwatch.core.deliveries.paths import alternative
from orderwatch.fsync import sync
from orderwatch.transfer.fsops import make_folders, translated, write_durable
from orderwatch.transfer.partial_file import forget
from orderwatch.transfer.zip.verify import digest

R = TypeVar("R")

_STAGING = ".orderwatch"
_REASON = ".reason.txt"
_LONGEST = 16 * 2**20  # bytes of a sidecar; a longer file is none
_NOT_OURS = "lost+found"  # every ext4 volume has one


@dataclass(slots=True)
class Walked:
    """The files of a tree by their names below its root, with their sizes, and what could not be walked."""

    files: dict[str, int] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)


class TreeInspector:
    """One delivery tree. `DiskError` where the disk does not do what is asked."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staging = root / _STAGING

    def is_there(self) -> bool:
        """Whether anything stands below the root; an empty folder may be where its disk is not mounted."""
        try:
            with os.scandir(self._root) as entries:
                return any(True for _ in entries)
        except OSError:
            return False

    async def read(self, path: str, size: int | None, heard: Callable[[int], None]) -> Reading:
        """What stands under a name; it is read whole where it has the expected size."""
        return await _in_thread(partial(_read, self._root / path, size, heard))

    async def sidecar(self, path: str) -> tuple[bytes | None, str | None]:
        """The content, None where there is none, and what keeps it from being read."""
        return await _in_thread(lambda _stop: _content(self._root / path))

    async def walk(self, apart: Collection[Path]) -> Walked:
        """Every file but those in staging; other trees (`apart`) are walked on their own."""
        return await _in_thread(partial(_walk, self._root, [self._staging, *apart]))

    async def set_aside(self, path: str, reason: str) -> None:
        """Move what stands under a name, if anything does, into quarantine with the reason beside it."""
        with translated(f"{path} cannot be set aside"):
            await _in_thread(lambda _stop: self._set_aside(self._root / path, reason))

    async def describe(self, path: str, content: bytes, aside: str) -> None:
        """Write a sidecar where none is: durable, then under its name. `aside` names it until then."""
        with translated(f"{path} cannot be written"):
            await _in_thread(lambda _stop: self._describe(self._root / path, content, aside))

    async def forget(self, part: str) -> None:
        """Take away a partial that a crash left: it may be another name of the very file that was stored."""
        with translated("the partial cannot be removed"):
            await _in_thread(lambda _stop: forget(self._staging / "partial" / part))

    def _set_aside(self, path: Path, reason: str) -> None:
        if not os.path.lexists(path):
            return
        quarantine = self._staging / "quarantine"
        make_folders(quarantine)
        name = _free_name(quarantine, path.name)
        told = quarantine / f"{name}{_REASON}"
        try:
            write_durable(told, f"{reason}\nwas {path}\n".encode(errors="backslashreplace"))
            path.replace(quarantine / name)
        except OSError:
            told.unlink(missing_ok=True)
            raise
        sync(quarantine)
        sync(path.parent)

    def _describe(self, path: Path, content: bytes, aside: str) -> None:
        folder = self._staging / "repair"  # no start sweeps it
        make_folders(folder)
        write_durable(folder / aside, content)
        (folder / aside).replace(path)
        sync(path.parent)


def _free_name(quarantine: Path, wanted: str) -> str:
    """A name that nothing there has; it is taken by the file that will hold the reason."""
    for number in count(1):
        name = wanted if number == 1 else alternative(wanted, number)
        if os.path.lexists(quarantine / name):
            continue
        with suppress(FileExistsError):
            (quarantine / f"{name}{_REASON}").touch(exist_ok=False)
            return name
    raise AssertionError("there is always another number")


def _read(path: Path, size: int | None, heard: Callable[[int], None], stop: threading.Event) -> Reading:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return Reading(trouble="no regular file")
        if found.st_size != size:
            return Reading(size=found.st_size)
        return Reading(size=size, sha256=digest(path, stop, heard))
    except InterruptedError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        return Reading()
    except OSError as error:
        return Reading(trouble=_in_words(error))


def _content(path: Path) -> tuple[bytes | None, str | None]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None, "no regular file"
        with path.open("rb") as file:
            return file.read(_LONGEST), None
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    except OSError as error:
        return None, _in_words(error)


def _walk(root: Path, apart: Collection[Path], stop: threading.Event) -> Walked:
    found = Walked()
    elsewhere = {*map(str, apart), str(root / _NOT_OURS)}

    def note(error: OSError) -> None:
        found.troubles[os.path.relpath(error.filename, root)] = _in_words(error)

    for folder, folders, names in os.walk(root, onerror=note):
        if stop.is_set():
            raise InterruptedError
        folders[:] = sorted(name for name in folders if str(Path(folder, name)) not in elsewhere)
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in (*names, *links):
            path = Path(folder, name)
            try:
                found.files[os.path.relpath(path, root)] = path.lstat().st_size
            except FileNotFoundError:
                continue  # it was there a moment ago
            except OSError as error:
                note(error)
    return found


def _in_words(error: OSError) -> str:
    return error.strerror or "an error of the disk"


async def _in_thread(work: Callable[[threading.Event], R]) -> R:
    """Off the loop; whoever is cancelled waits for its end, which comes sooner where it heeds `stop`."""
    stop = threading.Event()
    return await shielded(asyncio.to_thread(work, stop), hurry=stop.set)
