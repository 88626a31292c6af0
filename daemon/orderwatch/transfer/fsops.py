"""File system operations that are durable, and the errors they raise. Blocking."""

import ctypes
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orderwatch.errors import DiskError
from orderwatch.fsync import sync


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """Mode and owner of new files and folders; None and -1 leave the system's default."""

    file_mode: int | None = None
    folder_mode: int | None = None
    uid: int = -1
    gid: int = -1

    def apply(self, handle: int) -> None:
        """Apply to an open file or folder; the caller makes it durable."""
        mode = self.folder_mode if stat.S_ISDIR(os.fstat(handle).st_mode) else self.file_mode
        if (self.uid, self.gid) != (-1, -1):
            os.fchown(handle, self.uid, self.gid)  # first: it clears special bits of the mode
        if mode is not None:
            os.fchmod(handle, mode)


DEFAULT_PERMISSIONS = Permissions()


_NO_HARD_LINK_ERRNOS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1  # AT_FDCWD and RENAME_NOREPLACE of <fcntl.h> and <linux/fs.h>


@contextmanager
def translate_os_errors(message: str, kind: type[DiskError] = DiskError) -> Iterator[None]:
    """Raise `kind` with this message in place of an `OSError`."""
    try:
        yield
    except OSError as error:
        raise kind(f"{message}: {error.strerror}") from error


def free_space(folder: Path) -> int:
    """Return the free bytes of the folder's file system. Raises `DiskError`."""
    with translate_os_errors("cannot read the free space of the destination"):
        disk = os.statvfs(folder)
    if disk.f_files > 0 and disk.f_favail == 0:
        raise DiskError("no space: the file system has no free inodes")
    return disk.f_bavail * disk.f_frsize


def is_other_mount(one: Path, other: Path) -> bool:
    """Return whether no link and no rename leads from one folder to the other."""
    return _mount_of(one) != _mount_of(other)


def _mount_of(folder: Path) -> tuple[int, str]:
    """Return device and mount: bind mounts share a device, subvolumes share a mount."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        facts = Path(f"/proc/self/fdinfo/{handle}").read_text()
        mount = next((line for line in facts.splitlines() if line.startswith("mnt_id:")), "")
        return os.fstat(handle).st_dev, mount
    finally:
        os.close(handle)


def move(source: Path, target: Path) -> None:
    """Rename a file, or copy it to another mount; overwrites. The caller syncs the folders."""
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        temporary = target.with_name(f".{uuid.uuid4().hex}")
        try:
            shutil.copyfile(source, temporary, follow_symlinks=False)
            if not temporary.is_symlink():
                sync(temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        source.unlink()


def make_folders(folder: Path, permissions: Permissions = DEFAULT_PERMISSIONS) -> None:
    """Create missing folders one by one, each durable before the next. Existing folders are not changed."""
    if folder.is_dir():
        return
    make_folders(folder.parent, permissions)
    folder.mkdir(exist_ok=True)
    if apply_permissions(folder, permissions):
        sync(folder)
    sync(folder.parent)


def write_durable(path: Path, content: bytes, permissions: Permissions = DEFAULT_PERMISSIONS) -> None:
    """Write a file and flush its content to disk; its folder entry is not flushed."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        permissions.apply(file.fileno())
        os.fsync(file.fileno())


def apply_permissions(path: Path, permissions: Permissions) -> bool:
    """Apply mode and owner; returns whether anything was set, which the caller then has to sync."""
    if permissions == DEFAULT_PERMISSIONS:
        return False
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        permissions.apply(handle)
    finally:
        os.close(handle)
    return True


def link_exclusive(source: Path, target: Path) -> None:
    """Give a file another name. Raises `FileExistsError` instead of overwriting another file.

    On file systems with hard links the file keeps its first name too, which recovery after a crash uses.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINK_ERRNOS:
            raise
        _rename_exclusive(source, target)


def probe_links(
    source: Path, target: Path, suffix: str = "", permissions: Permissions = DEFAULT_PERMISSIONS
) -> None:
    """Raise `DiskError` unless a link leads from one folder to the other and never replaces a file."""
    probe, other, named = (
        source / f".probe{suffix}",
        source / f".probe.second{suffix}",
        target / f".probe{suffix}",
    )
    named.unlink(missing_ok=True)  # of a crash
    for path in (probe, other):
        write_durable(path, b"", permissions)
    link_exclusive(probe, named)
    try:
        link_exclusive(other, named)
    except FileExistsError:
        return
    else:
        raise DiskError("the file system lets a link replace another file, so nothing is safe there")
    finally:
        for path in (named, probe, other):
            path.unlink(missing_ok=True)


def _rename_exclusive(source: Path, target: Path) -> None:
    """Rename without overwriting; Python has no function for it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, bytes(source), _AT_FDCWD, bytes(target), _RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        if number == errno.EINVAL:
            raise OSError(
                number, "the file system supports neither hard links nor renames without overwriting"
            )
        raise OSError(number, os.strerror(number), str(source), None, str(target))
