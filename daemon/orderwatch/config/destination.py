"""Whether files can be written where the configuration says; only trying tells."""

import tempfile
from pathlib import Path

from pydantic import ValidationInfo


def usable_root(root: Path, info: ValidationInfo) -> Path:
    """The delivery root, tried where the caller is going to use it (`context["resolve"]`)."""
    if not root.is_absolute():
        raise ValueError("must be an absolute path")
    if (info.context or {}).get("resolve"):
        try_folder(root)
    return root


def try_folder(folder: Path) -> None:
    """Try to write in the folder, or in the one it would be made in; leaves nothing behind."""
    existing = folder
    try:
        while not (existing.is_symlink() or existing.exists()):
            existing = existing.parent
        tempfile.TemporaryDirectory(prefix=".orderwatch-", dir=existing).cleanup()
    except OSError as error:
        raise ValueError(f"cannot be written: {existing}: {error.strerror}") from error
