"""Whether the daemon runs: a locked file beside the database, touched while the daemon works.

The lock can be tested without being taken, so that a reader never blocks a daemon that starts.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.core.database_location import DatabaseLocation, PostgresServer
from orderwatch.db.cluster.moment import DATABASE_CLOCK
from orderwatch.db.engines import postgres
from orderwatch.db.file_errors import translated
from orderwatch.db.tables import hosts

_SILENCE = timedelta(minutes=1)  # of every host: none runs
_FLOCK = "hhqqi4x"  # struct flock of fcntl(2): type, whence, start, length, pid


@contextmanager
def alive_file(database: DatabaseLocation) -> Iterator[None]:
    """Show readers that the daemon runs, until the context or the process ends; on a server its row does.

    For the holder of `database_lock` only. Raises `DatabaseError` if the file cannot be created.
    """
    if isinstance(database, PostgresServer):
        yield
        return
    with translated(f"{_alive_path(database)} cannot be written"):
        handle = _open(_alive_path(database))
    with os.fdopen(handle):
        with translated(f"{_alive_path(database)} cannot be locked"):
            fcntl.fcntl(handle, fcntl.F_OFD_SETLK, _lock(fcntl.F_WRLCK))
        touch_alive_file(database)
        yield
        touch_alive_file(database)


def touch_alive_file(database: DatabaseLocation) -> None:
    """Touch the file, or create it; failures are ignored."""
    if isinstance(database, PostgresServer):
        return
    with suppress(OSError):
        _alive_path(database).touch(0o644)


def read_daemon_status(database: DatabaseLocation) -> DaemonStatus:
    """Return whether a daemon runs on this database, and when it was alive last; raises `DatabaseError`."""
    if isinstance(database, PostgresServer):
        return _of_hosts(database)
    with translated(f"{_alive_path(database)} cannot be read"):
        try:
            handle = os.open(_alive_path(database), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return DaemonStatus(running=False)
        with os.fdopen(handle):
            answer = fcntl.fcntl(handle, fcntl.F_OFD_GETLK, _lock(fcntl.F_RDLCK))
            at = datetime.fromtimestamp(os.fstat(handle).st_mtime, UTC)
    return DaemonStatus(running=struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK, last_alive_at=at)


def _of_hosts(server: PostgresServer) -> DaemonStatus:
    with translated(f"{server} cannot be read"):
        at, now = postgres.run_blocking(
            server, lambda db: db.execute(select(func.max(hosts.c.seen_at), DATABASE_CLOCK)).one()
        )
    return DaemonStatus(running=at is not None and now.replace(tzinfo=UTC) - at < _SILENCE, last_alive_at=at)


def _alive_path(database: Path) -> Path:
    return database.with_name(f"{database.name}.alive")


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o644)
    except PermissionError:  # created by a command that root ran
        path.unlink()
        return os.open(path, flags, 0o644)


def _lock(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)
