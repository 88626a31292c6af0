"""Whether deliveries can be written where the configuration says; only trying tells."""

import tempfile
from pathlib import Path

from pydantic import ValidationInfo


def usable_root(root: Path, info: ValidationInfo) -> Path:
    """Try to write below the root, or below the folder it would be made in; leaves nothing behind."""
    if not root.is_absolute():
        raise ValueError("must be an absolute path")
    if not (info.context or {}).get("resolve"):
        return root
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    if not existing.is_dir():
        raise ValueError(f"cannot be written: {existing} is not a folder")
    try:
        tempfile.TemporaryDirectory(prefix=".orderwatch-", dir=existing).cleanup()
    except OSError as error:
        raise ValueError(f"cannot be written: {existing}: {error.strerror}") from error
    return root
