"""Whether a delivery tree would take files, tried without leaving anything behind. Blocking."""

import errno
import os
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path

from orderwatch.fsync import sync
from orderwatch.transfer.fsops import (
    DEFAULT_PERMISSIONS,
    Permissions,
    free_space,
    give_name,
    translated,
    write_durable,
)

_NOT_KNOWN_HERE = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}  # file systems without unnamed files


def try_writing(root: Path, permissions: Permissions = DEFAULT_PERMISSIONS) -> str:
    """Write a file in the tree, name it and make it durable, as a delivery would be; take it away again.

    Makes no folder: of a tree that is not there yet only the folder is tried that it will be made in.
    Returns in words what was found. `DiskError` where the tree takes no files.
    """
    with translated(f"{root} cannot be used"):
        folder = existing(root)
        if folder != root:
            try_unnamed(folder)
            return f"the first start makes it; {folder} can be written"
        _try_named(_staging(root) or root, permissions)
        return "takes files"


def room(root: Path) -> int:
    """Bytes that are free in the tree, or where it will be made. `DiskError`."""
    with translated("the destination cannot be asked for its space"):
        return free_space(_staging(root) or existing(root))


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    while not (folder.is_symlink() or folder.exists()):
        folder = folder.parent
    return folder


def try_unnamed(folder: Path) -> None:
    """Write a file that never has a name, so that nobody sees it and no crash leaves it behind. `OSError`."""
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        if error.errno not in _NOT_KNOWN_HERE:
            raise
        tempfile.TemporaryDirectory(prefix=".orderwatch-", dir=folder).cleanup()


def _staging(root: Path) -> Path | None:
    """Where deliveries are written first, once there was one; a folder of its own may be another volume."""
    staging = root / ".orderwatch" / "partial"
    with suppress(FileNotFoundError, NotADirectoryError):
        staging.stat()
        return staging
    return None


def _try_named(folder: Path, permissions: Permissions) -> None:
    written, named = (folder / f".probe-{uuid.uuid4().hex}{suffix}" for suffix in ("", ".named"))
    try:
        write_durable(written, b"", permissions)
        give_name(written, named)
        sync(folder)
    finally:
        for path in (named, written):
            path.unlink(missing_ok=True)
