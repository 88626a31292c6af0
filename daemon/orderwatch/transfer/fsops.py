"""What is durable, and what an error of the disk is called. Blocking."""

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orderwatch.errors import DiskError
from orderwatch.fsync import sync


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """None and -1 leave it as it was made."""

    file_mode: int | None = None
    folder_mode: int | None = None
    uid: int = -1
    gid: int = -1

    def give(self, handle: int) -> None:
        """To an open file or folder; the caller makes it durable."""
        mode = self.folder_mode if stat.S_ISDIR(os.fstat(handle).st_mode) else self.file_mode
        if (self.uid, self.gid) != (-1, -1):
            os.fchown(handle, self.uid, self.gid)  # first: it takes special bits of the mode away
        if mode is not None:
            os.fchmod(handle, mode)


DEFAULT_PERMISSIONS = Permissions()


_LINKLESS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}  # of file systems without hard links
_HERE, _NOREPLACE = -100, 1  # AT_FDCWD and RENAME_NOREPLACE of <fcntl.h> and <linux/fs.h>


@contextmanager
def translated(trouble: str, kind: type[DiskError] = DiskError) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise kind(f"{trouble}: {error.strerror}") from error


def free_space(folder: Path) -> int:
    """Bytes that are free where the folder is. `DiskError`."""
    with translated("the destination cannot be asked for its space"):
        disk = os.statvfs(folder)
    if disk.f_files > 0 and disk.f_favail == 0:
        raise DiskError("no space: the file system has no inode left")
    return disk.f_bavail * disk.f_frsize


def make_folders(folder: Path, permissions: Permissions = DEFAULT_PERMISSIONS) -> None:
    """Make missing folders one by one, each entry durable before the next; the others stay as they are."""
    if folder.is_dir():
        return
    make_folders(folder.parent, permissions)
    folder.mkdir(exist_ok=True)
    if give(folder, permissions):
        sync(folder)
    sync(folder.parent)


def write_durable(path: Path, content: bytes, permissions: Permissions = DEFAULT_PERMISSIONS) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        permissions.give(file.fileno())
        os.fsync(file.fileno())


def give(path: Path, permissions: Permissions) -> bool:
    """Give a file or folder the rights it is to have; False where it has them already, else sync it."""
    if permissions == DEFAULT_PERMISSIONS:
        return False
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        permissions.give(handle)
    finally:
        os.close(handle)
    return True


def give_name(source: Path, target: Path) -> None:
    """Give a file another name, never over another file: `FileExistsError`.

    Where the file system has hard links it keeps the first name too: evidence for who comes after a crash.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _LINKLESS:
            raise
        _rename_beside(source, target)


def _rename_beside(source: Path, target: Path) -> None:
    """A rename that cannot overwrite, which Python does not know."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_HERE, bytes(source), _HERE, bytes(target), _NOREPLACE) != 0:
        number = ctypes.get_errno()
        if number == errno.EINVAL:
            raise OSError(number, "the file system has neither hard links nor renames that cannot overwrite")
        raise OSError(number, os.strerror(number), str(source), None, str(target))
