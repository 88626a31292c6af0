"""Continues the partials of a delivery's former claims. Blocking.

Their writer may be alive: another host that was paused goes on writing into the file that it has open. So a
claim has a file of its own, unless no process can have the former one open for writing.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from orderwatch.core.deliveries.partial_name import fence_of, stem_of
from orderwatch.fsync import sync
from orderwatch.transfer.partial_file import control_file, remove_partial
from orderwatch.transfer.tree.side_staging import move_beside, remove_beside


def adopt(part: Path, durable: int, *, may_rename: Callable[[str], bool]) -> None:
    """Give the newest former partial this name, or copy its durable bytes; remove the others."""
    former = _former(part)
    if former and not part.exists():
        newest = former.pop(0)
        if may_rename(newest.name):
            _rename(newest, part)
        else:
            _copy(newest, part, durable)
            former.insert(0, newest)
    for other in former:
        remove_beside(other)
        remove_partial(other)
    for path in _of_former_claims(part, "*"):  # what was staged beside them
        path.unlink(missing_ok=True)


def remove_former(part: Path) -> None:
    """Remove the partials of former claims."""
    adopt(part, 0, may_rename=lambda _: False)


def newest_first(parts: list[Path]) -> list[Path]:
    """Return the partials with the last claim's first."""
    return sorted(parts, key=lambda part: fence_of(part.name), reverse=True)


def _former(part: Path) -> list[Path]:
    return newest_first(_of_former_claims(part, "*part"))


def _of_former_claims(part: Path, pattern: str) -> list[Path]:
    found = part.parent.glob(f"{stem_of(part.name)}.{pattern}")
    return [path for path in found if fence_of(path.name) < fence_of(part.name)]


def _rename(former: Path, part: Path) -> None:
    if control_file(former).exists():
        control_file(former).replace(control_file(part))
    move_beside(former, part)
    former.replace(part)


def _copy(former: Path, part: Path, durable: int) -> None:
    """Copy the first bytes; the copy has its name once it is durable."""
    if not durable:
        return
    copy = part.with_suffix(".copy")
    with former.open("rb") as source, copy.open("wb") as target:
        _copy_range(source.fileno(), target.fileno(), durable)
        os.fdatasync(target.fileno())
    copy.replace(part)
    sync(part.parent)


_CHUNK_BYTES = 64 * 2**20


def _copy_range(source: int, target: int, size: int) -> None:
    """Copy in the kernel; a file system that can shares the blocks."""
    left = size
    try:
        while left and (copied := os.copy_file_range(source, target, min(left, _CHUNK_BYTES))):
            left -= copied
    except OSError:  # not between these file systems
        os.lseek(source, 0, os.SEEK_SET)
        os.ftruncate(target, 0)
        os.lseek(target, 0, os.SEEK_SET)
        with os.fdopen(os.dup(source), "rb") as reader, os.fdopen(os.dup(target), "wb") as writer:
            shutil.copyfileobj(reader, writer, 2**20)
        os.ftruncate(target, min(size, os.fstat(target).st_size))
