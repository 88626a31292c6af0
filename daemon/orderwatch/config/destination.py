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
    existing = root
    try:
        while not (existing.is_symlink() or existing.exists()):
            existing = existing.parent
        tempfile.TemporaryDirectory(prefix=".orderwatch-", dir=existing).cleanup()
    except OSError as error:
        raise ValueError(f"cannot be written: {existing}: {error.strerror}") from error
    return root
