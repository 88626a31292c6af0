"""The sign of life beside the database: a locked file whose time is the last sign.

The lock is one that can be asked about without taking it, so no reader ever gets in a starting daemon's way.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.db.complaint import translated

_FLOCK = "hhqqi4x"  # struct flock of fcntl(2): type, whence, start, length, pid


@contextmanager
def shown_alive(database: Path) -> Iterator[None]:
    """Tell readers that the daemon runs, until the context ends or the process does.

    For the holder of `sole_writer` only. Raises `DatabaseError` where the file cannot be made.
    """
    with translated(f"{_sign(database)} cannot be written"):
        handle = _opened(_sign(database))
    with os.fdopen(handle):
        with translated(f"{_sign(database)} cannot be locked"):
            fcntl.fcntl(handle, fcntl.F_OFD_SETLK, _lock(fcntl.F_WRLCK))
        show_alive(database)
        yield
        show_alive(database)


def show_alive(database: Path) -> None:
    """Renew the sign, or leave one. Where that fails the work goes on."""
    with suppress(OSError):
        _sign(database).touch(0o644)


def liveness(database: Path) -> DaemonStatus:
    """Tell whether a daemon works on this database; `DatabaseError` where the sign cannot be read."""
    with translated(f"{_sign(database)} cannot be read"):
        try:
            handle = os.open(_sign(database), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return DaemonStatus(running=False)
        with os.fdopen(handle):
            answer = fcntl.fcntl(handle, fcntl.F_OFD_GETLK, _lock(fcntl.F_RDLCK))
            at = datetime.fromtimestamp(os.fstat(handle).st_mtime, UTC)
    return DaemonStatus(running=struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK, last_alive_at=at)


def _sign(database: Path) -> Path:
    return database.with_name(f"{database.name}.alive")


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o644)
    except PermissionError:  # a command run by root made it
        path.unlink()
        return os.open(path, flags, 0o644)


def _lock(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)
