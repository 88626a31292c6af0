"""Giving verified bytes their final name: durable, once, never over another file. Blocking.

The order of the steps is the crash protocol of docs/design.md; each flush answers a crash that was tried.
"""

import json
import os
from pathlib import Path
from typing import Any

from orderwatch.errors import LostBytesError
from orderwatch.fsync import sync
from orderwatch.transfer.fsops import (
    DEFAULT_PERMISSIONS,
    Permissions,
    give,
    give_name,
    make_folders,
    translated,
    write_durable,
)
from orderwatch.transfer.zip.verify import digest

_IDENTITY = ("account", "task", "capture", "scene", "attachment", "version")


def publish(
    part: Path,
    final: Path,
    sidecar: bytes,
    *,
    size: int,
    sha256: str,
    resumed: bool,
    permissions: Permissions = DEFAULT_PERMISSIONS,
) -> bool:
    """Link the partial to its final name with the sidecar beside it; False where a name is another's.

    Repeating it after a crash (`resumed`) at any point is safe: the very bytes under the name count.
    """
    if not part.exists() and not os.path.lexists(final):
        raise LostBytesError("the verified partial is gone")
    make_folders(final.parent, permissions)
    beside = final.with_name(f"{final.name}.json")
    if not _is_free_for(beside, sidecar):
        return False
    if os.path.lexists(final):
        if not holds(final, size, sha256):
            return False
    elif resumed and part.stat().st_nlink > 1:
        return True  # it was published before the crash, and its reader has moved it since
    if part.exists() and give(part, permissions):
        with translated("the partial cannot be made durable", LostBytesError):
            sync(part)
    write_durable(part.with_suffix(".json"), sidecar, permissions)
    part.with_suffix(".json").replace(beside)
    if not _link(part, final) and not holds(final, size, sha256):
        beside.unlink()
        return False
    sync(final.parent)
    return True


def holds(path: Path, size: int, sha256: str) -> bool:
    """The very bytes stand under this name."""
    return path.is_file() and not path.is_symlink() and path.stat().st_size == size and digest(path) == sha256


def _link(part: Path, final: Path) -> bool:
    try:
        give_name(part, final)
    except (FileExistsError, FileNotFoundError):
        return False
    return True


def _is_free_for(beside: Path, sidecar: bytes) -> bool:
    """No sidecar there, or one of an earlier try at this very delivery."""
    if not os.path.lexists(beside):
        return True
    return beside.is_file() and _identity(beside.read_bytes()) == _identity(sidecar)


def _identity(sidecar: bytes) -> list[Any] | None:
    try:
        return [json.loads(sidecar)[name] for name in _IDENTITY]
    except (ValueError, KeyError, TypeError):
        return None
