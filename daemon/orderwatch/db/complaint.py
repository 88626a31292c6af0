"""What kept SQLite from working, on one line that says what to do."""

import sqlite3
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError

from orderwatch.errors import BusyError, DatabaseError

_LONGEST = 200  # characters; a damaged file complains with what it holds
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}
_PASSING_WHOLE = {sqlite3.SQLITE_IOERR_SHMSIZE}  # how a full disk is told where the file of the locks grows


@contextmanager
def translated(failed: str) -> Iterator[None]:
    """Any trouble with the file becomes a `DatabaseError`; above this door nobody knows SQLAlchemy.

    A `BusyError` where it will pass without anybody touching the file.
    """
    try:
        yield
    except IntegrityError:
        raise  # not the file's fault
    except (
        OSError,
        DBAPIError,
        sqlite3.Error,
        UnicodeDecodeError,
    ) as error:  # damage garbles even the complaint
        told = error.orig if isinstance(error, DBAPIError) else error
        kept_out = isinstance(told, OSError | sqlite3.OperationalError)
        advice = "check its disk, its permissions and who else uses it" if kept_out else "restore a backup"
        kind = BusyError if _passes(told) else DatabaseError
        raise kind(f"{failed}: {one_line(told)}; {advice}") from error


def one_line(complaint: object) -> str:
    return textwrap.shorten(str(complaint), _LONGEST, placeholder="…")


def _passes(told: object) -> bool:
    code = getattr(told, "sqlite_errorcode", None)
    return isinstance(code, int) and (code & 0xFF in _PASSING or code in _PASSING_WHOLE)
