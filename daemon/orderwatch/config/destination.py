"""Whether files can be written where the configuration says; only trying tells."""

import errno
from pathlib import Path

from pydantic import ValidationInfo

from orderwatch.transfer.rehearsal import existing, try_unnamed

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
    found = folder
    try:
        found = existing(folder)
        try_unnamed(found)
    except OSError as error:
        if error.errno in _DISKS_OWN:
            return
        advice = (
            "; let the daemon's user write there, and run this as that user"
            if error.errno == errno.EACCES
            else ""
        )
        raise ValueError(f"cannot be written: {found}: {error.strerror}{advice}") from error
