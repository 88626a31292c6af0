"""Gives verified bytes their final name: durable, once, never over another file. Blocking.

The order of the steps is the crash protocol of docs/design.md; each flush prevents a loss that was tested.
"""

import os
from contextlib import suppress
from pathlib import Path

from orderwatch.core.deliveries.sidecar import identity
from orderwatch.errors import LostBytesError, LostLeaseError
from orderwatch.fsync import sync
from orderwatch.ports import MayAct, always
from orderwatch.transfer.fsops import (
    DEFAULT_PERMISSIONS,
    Permissions,
    apply_permissions,
    link_exclusive,
    make_folders,
    translate_os_errors,
    write_durable,
)
from orderwatch.transfer.tree.side_staging import copy_durable, side_name
from orderwatch.transfer.zip.verify import digest


def publish(
    part: Path,
    final: Path,
    sidecar: bytes,
    *,
    size: int,
    sha256: str,
    resumed: bool,
    permissions: Permissions = DEFAULT_PERMISSIONS,
    is_flushed: bool = True,
    may_act: MayAct = always,
) -> bool:
    """Link the partial, or its copy on another mount, to its final name, with its sidecar.

    Returns False if another file has the name. Unless `is_flushed`, the caller flushes the folder before it
    records the file. Raises `LostLeaseError` unless it `may_act` at the last moment.

    Safe to repeat after a crash (`resumed`): the same bytes under the name count as published.
    """
    if not part.exists() and not os.path.lexists(final):
        raise LostBytesError("the verified partial is missing")
    make_folders(final.parent, permissions)
    beside = final.with_name(f"{final.name}.json")
    if not _is_free_for(beside, sidecar):
        return False
    copy = side_name(part, final.parent)
    staged = copy or part
    if os.path.lexists(final):
        if not holds(final, size, sha256):
            return False
    elif resumed and staged.exists() and staged.stat().st_nlink > 1:
        return True  # published before the crash, and moved by its reader since
    elif copy is not None:
        copy_durable(part, copy, sha256)
    _apply_permissions(staged, permissions)
    write_durable(staged.with_suffix(".json"), sidecar, permissions)
    if not may_act():
        raise LostLeaseError("this host's lease is over")
    staged.with_suffix(".json").replace(beside)
    if not _link(staged, final) and not holds(final, size, sha256):
        _remove_sidecar(beside, sidecar)
        return False
    if is_flushed:
        sync(final.parent)
    return True


def _remove_sidecar(beside: Path, sidecar: bytes) -> None:
    """Remove the sidecar, unless another claim has replaced it."""
    with suppress(FileNotFoundError):
        if beside.read_bytes() == sidecar:
            beside.unlink()


def holds(path: Path, size: int, sha256: str) -> bool:
    """Return whether the file at this path has exactly these bytes."""
    return path.is_file() and not path.is_symlink() and path.stat().st_size == size and digest(path) == sha256


def _apply_permissions(staged: Path, permissions: Permissions) -> None:
    if staged.exists() and apply_permissions(staged, permissions):
        with translate_os_errors("cannot flush the partial to disk", LostBytesError):
            sync(staged)


def _link(part: Path, final: Path) -> bool:
    try:
        link_exclusive(part, final)
    except (FileExistsError, FileNotFoundError):
        return False
    return True


def _is_free_for(beside: Path, sidecar: bytes) -> bool:
    """Return whether there is no sidecar, or one of an earlier attempt at the same delivery."""
    if not os.path.lexists(beside):
        return True
    return beside.is_file() and identity(beside.read_bytes()) == identity(sidecar)
