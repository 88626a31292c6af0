"""Finds folders of a delivery tree that are separate mounts. Blocking."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from orderwatch.transfer.fsops import is_other_mount

_MOUNT_POINT = 4  # the field of a line of mountinfo
_OCTAL = re.compile(r"\\([0-7]{3})")
_MAX_DEPTH = 2  # of a search for subvolumes, which mountinfo does not list


def nested_mounts(root: Path) -> list[str]:
    """Return the folders below the root, relative to it, to which no link leads from the root."""
    if not root.is_dir():
        return []
    real = root.resolve()
    staging = real / ".orderwatch"
    found = {path for path in _mount_points() if real in path.parents and staging not in path.parents}
    others = {path for path in (*found, *_folders(real), staging) if _differs(real, path)}
    return sorted(str(path.relative_to(real)) for path in others if path.parent not in others)


def _mount_points() -> Iterator[Path]:
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
            text = line.split(" ")[_MOUNT_POINT]
            yield Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), text))


def _folders(root: Path) -> Iterator[Path]:
    for folder, names, _ in os.walk(root):
        names[:] = [name for name in names if not name.startswith(".")]
        yield from (Path(folder, name) for name in names)
        if len(Path(folder).relative_to(root).parts) + 1 >= _MAX_DEPTH:
            names.clear()


def _differs(base: Path, folder: Path) -> bool:
    with suppress(OSError):
        return is_other_mount(base, folder)
    return False
