"""Whether files can be written where the configuration says; only trying tells."""

import errno
import os
import tempfile
from pathlib import Path

from pydantic import ValidationInfo

_NOT_KNOWN_HERE = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}  # file systems without unnamed files
_DISKS_OWN = {errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO}  # it may get better without us


def usable_root(root: Path, info: ValidationInfo) -> Path:
    """The delivery root, tried where the caller is going to use it (`context["resolve"]`)."""
    if not root.is_absolute():
        raise ValueError("must be an absolute path")
    if (info.context or {}).get("resolve"):
        try_folder(root)
    return root


def try_folder(folder: Path) -> None:
    """Try to write in the folder, or in the one it would be made in; leaves nothing behind.

    A disk that is full, read-only or failing is no fault of the configuration.
    """
    existing = folder
    try:
        while not (existing.is_symlink() or existing.exists()):
            existing = existing.parent
        _try(existing)
    except OSError as error:
        if error.errno in _DISKS_OWN:
            return
        raise ValueError(f"cannot be written: {existing}: {error.strerror}") from error


def _try(folder: Path) -> None:
    """With a file that never has a name, so that nobody sees it and no crash leaves it behind."""
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        if error.errno not in _NOT_KNOWN_HERE:
            raise
        tempfile.TemporaryDirectory(prefix=".orderwatch-", dir=folder).cleanup()
