"""Advisory locks on files: one daemon per database and per tree, one process that places orders."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orderwatch.core.database_location import DatabaseLocation, PostgresServer
from orderwatch.db.file_errors import translated
from orderwatch.errors import LockedError


def create_folder(database: Path) -> None:
    """Create the folder of the database and of its lock."""
    with translated(f"{database.parent} cannot be created"):
        database.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def database_lock(location: DatabaseLocation) -> Iterator[None]:
    """Hold the lock of a database file, in a folder that is created; a server has several daemons."""
    if isinstance(location, PostgresServer):
        yield
        return
    create_folder(location)
    with exclusive_lock(location):
        yield


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a database or a tree; `LockedError` if another process holds it.

    A holder that is killed releases it.
    """
    with _held(path, f"another daemon already holds {path}; stop it first"):
        yield


@contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a tree together with the other hosts of a cluster, against a daemon alone."""
    with _held(path, f"a daemon with another database holds {path}; stop it first", fcntl.LOCK_SH):
        yield


@contextmanager
def ordering_lock(database: Path) -> Iterator[None]:
    """Hold the lock of placing and cancelling, the daemon too; `LockedError` as above."""
    with _held(
        database.with_name(f"{database.name}.ordering"), "another process is placing orders; try again"
    ):
        yield


@contextmanager
def _held(path: Path, reason: str, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    with translated(f"{path} cannot be locked"):
        # Read-only: a command run by root may have made the file, and the daemon still can lock it.
        handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with os.fdopen(handle):
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(reason) from error
        yield
