"""One daemon per database: an advisory lock on a file beside it, held for the life of the process."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orderwatch.db.complaint import translated
from orderwatch.errors import LockedError


@contextmanager
def sole_writer(database: Path) -> Iterator[None]:
    """Hold the lock; `LockedError` where another process has it. A killed holder leaves it free."""
    with translated(f"{database} cannot be locked"):
        handle = database.with_name(f"{database.name}.lock").open("a", encoding="utf-8")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(f"another daemon already holds {database}; stop it first") from error
        yield
