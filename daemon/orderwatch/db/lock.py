"""One daemon per database and per tree: an advisory lock on a file beside it, held as long as it is used."""

import fcntl
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
    with translated(f"{path} cannot be locked"):
        handle = path.with_name(f"{path.name}.lock").open("a", encoding="utf-8")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(f"another daemon already holds {path}; stop it first") from error
        yield
