"""Stages files beside their target if its folder is a separate mount, to which no link leads. Blocking.

Each partial with such files has a record, so that they are found again after a crash.
"""

import os
import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from orderwatch.errors import DiskError
from orderwatch.fsync import sync
from orderwatch.transfer.fsops import is_other_mount, make_folders, write_durable
from orderwatch.transfer.zip.verify import digest

HIDDEN_PREFIX = ".orderwatch-"  # of every name beside a target
_COPY, _SIDECAR, _EXTRACTED = ".part", ".json", ".extract"


def side_name(part: Path, folder: Path) -> Path | None:
    """Return the recorded name for the partial's copy in a folder; None if a link can lead there."""
    if not is_other_mount(part.parent, folder):
        return None
    _record(part, folder)
    return _beside(part, folder, _COPY)


def copy_durable(part: Path, copy: Path, sha256: str) -> None:
    """Copy the partial: durable, and read back. Raises `DiskError`."""
    copy.unlink(missing_ok=True)  # what a crash left
    try:
        shutil.copyfile(part, copy)
        sync(copy)
        is_same = digest(copy) == sha256
    except OSError:
        copy.unlink(missing_ok=True)
        raise
    if not is_same:
        copy.unlink()
        raise DiskError(f"the copy of the partial in {copy.parent} has other bytes")


def extract_beside(part: Path, folder: Path) -> Path | None:
    """Return the recorded folder to extract into on another mount; None if a rename can lead there."""
    if not is_other_mount(part.parent, folder):
        return None
    _record(part, folder)
    return _beside(part, folder, _EXTRACTED)


def remove_beside(part: Path) -> bool:
    """Remove what was staged for the partial; return whether there was a record of it."""
    record = _record_of(part)
    try:
        folder = Path(os.fsdecode(record.read_bytes()))
    except FileNotFoundError:
        return False
    if not folder.is_dir() or not is_other_mount(part.parent, folder):
        return False  # not mounted now
    for suffix in (_COPY, _SIDECAR):
        _beside(part, folder, suffix).unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        shutil.rmtree(_beside(part, folder, _EXTRACTED))
    record.unlink()
    return True


def move_beside(former: Path, part: Path) -> None:
    """Rename what was staged for a partial together with it; what was extracted is removed."""
    try:
        folder = Path(os.fsdecode(_record_of(former).read_bytes()))
    except FileNotFoundError:
        return
    _record(part, folder)
    for suffix in (_COPY, _SIDECAR):
        if (staged := _beside(former, folder, suffix)).exists():
            staged.replace(_beside(part, folder, suffix))
    remove_beside(former)


def record_age(part: Path, now: float) -> timedelta:
    """Return for how long the partial has had its record."""
    try:
        return timedelta(seconds=now - _record_of(part).stat().st_mtime)
    except FileNotFoundError:
        return timedelta(0)


def recorded_partials(partials: Path) -> list[Path]:
    """Return the partials that have a record."""
    records = partials.with_name("beside")
    names = sorted(path.name for path in records.iterdir()) if records.is_dir() else []
    return [partials / name for name in names]


def _record(part: Path, folder: Path) -> None:
    record = _record_of(part)
    make_folders(record.parent)
    write_durable(record, os.fsencode(folder))
    sync(record.parent)


def _record_of(part: Path) -> Path:
    return part.parent.with_name("beside") / part.name


def _beside(part: Path, folder: Path, suffix: str) -> Path:
    return folder / f"{HIDDEN_PREFIX}{part.stem}{suffix}"
