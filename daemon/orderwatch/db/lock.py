"""One daemon per database and per tree, one process that orders: advisory locks on files beside them."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orderwatch.db.complaint import translated
from orderwatch.errors import LockedError


def make_folder(database: Path) -> None:
    """Where the database and its lock are going to be."""
    with translated(f"{database.parent} cannot be made"):
        database.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Hold the lock; `LockedError` where another process has it. A killed holder leaves it free."""
    with _held(path, f"another daemon already holds {path}; stop it first"):
        yield


@contextmanager
def turn_to_order(database: Path) -> Iterator[None]:
    """One process at a time places and cancels, the daemon too; `LockedError` as above."""
    with _held(database.with_name(f"{database.name}.ordering"), "another orderwatch is ordering; try again"):
        yield


@contextmanager
def _held(path: Path, complaint: str) -> Iterator[None]:
    with translated(f"{path} cannot be locked"):
        # Read-only: a command run by root may have made the file, and the daemon still can lock it.
        handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with os.fdopen(handle):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(complaint) from error
        yield
