"""Tests whether a delivery tree can be written, without leaving anything behind. Blocking."""

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
    link_exclusive,
    translate_os_errors,
    write_durable,
)

_NO_TMPFILE_ERRNOS = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}


def try_writing(root: Path, permissions: Permissions = DEFAULT_PERMISSIONS) -> str:
    """Write, link and sync a file in the tree as a delivery would be, then remove it; returns the finding.

    Creates no folder: if the tree is missing, its nearest existing parent is tested. Raises `DiskError`.
    """
    with translate_os_errors(f"cannot use {root}"):
        folder = nearest_existing(root)
        if folder != root:
            try_unnamed(folder)
            return f"does not exist yet; the first start creates it, {folder} is writable"
        _try_named(_staging_of(root) or root, permissions)
        return "writable"


def available_space(root: Path) -> int:
    """Return the free bytes of the tree, or of the place where it will be created. Raises `DiskError`."""
    with translate_os_errors("cannot read the free space of the destination"):
        return free_space(_staging_of(root) or nearest_existing(root))


def nearest_existing(folder: Path) -> Path:
    """Return the folder, or its nearest existing parent."""
    while not (folder.is_symlink() or folder.exists()):
        folder = folder.parent
    return folder


def try_unnamed(folder: Path) -> None:
    """Write an unnamed file, which no crash can leave behind. Raises `OSError`."""
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        if error.errno not in _NO_TMPFILE_ERRNOS:
            raise
        tempfile.TemporaryDirectory(prefix=".orderwatch-", dir=folder).cleanup()


def _staging_of(root: Path) -> Path | None:
    """Return the existing staging folder for partials, which may be on another volume than the root."""
    staging = root / ".orderwatch" / "partial"
    with suppress(FileNotFoundError, NotADirectoryError):
        staging.stat()
        return staging
    return None


def _try_named(folder: Path, permissions: Permissions) -> None:
    written, named = (folder / f".probe-{uuid.uuid4().hex}{suffix}" for suffix in ("", ".named"))
    try:
        write_durable(written, b"", permissions)
        link_exclusive(written, named)
        sync(folder)
    finally:
        for path in (named, written):
            path.unlink(missing_ok=True)
