"""What is durable, and what an error of the disk is called. Blocking."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orderwatch.errors import DiskError


@contextmanager
def translated(trouble: str, kind: type[DiskError] = DiskError) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise kind(f"{trouble}: {error.strerror}") from error


def sync(path: Path) -> None:
    """Fsync of a file, or of a folder's entries."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folders(folder: Path) -> None:
    """Make missing folders one by one, each entry durable before the next."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def write_durable(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
