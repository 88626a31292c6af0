"""Turns errors of the database into `DatabaseError`s."""

import sqlite3
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError

from orderwatch.db.engines import postgres
from orderwatch.errors import BusyError, DatabaseError

_MAX_REASON_CHARACTERS = 200  # a damaged file reports errors with its content
_PASSING_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}
_POSTGRES = ("sqlalchemy.dialects.postgresql", "asyncpg")
_AWAY = (TimeoutError, ConnectionError)  # of a server; a file causes none
_PASSING_EXTENDED_CODES = {sqlite3.SQLITE_IOERR_SHMSIZE}  # a full disk, when the file of the locks grows


@contextmanager
def translated(failure: str) -> Iterator[None]:
    """Turn every error of the file into a `DatabaseError`, so that callers never see SQLAlchemy's.

    A `BusyError` if it passes without anyone touching the file. `IntegrityError` is not the file's fault.
    """
    try:
        yield
    except IntegrityError:
        raise
    except (
        OSError,
        DBAPIError,
        sqlite3.Error,
        UnicodeDecodeError,
    ) as error:  # damage garbles even the message
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, _AWAY):
            raise BusyError(f"{failure}: {one_line(cause) or 'the server does not respond'}") from error
        if type(cause).__module__.startswith(_POSTGRES):
            raise _of_server(failure, cause) from error
        is_external = isinstance(cause, OSError | sqlite3.OperationalError)
        advice = "check its disk, its permissions and who else uses it" if is_external else "restore a backup"
        kind = BusyError if _is_passing(cause) else DatabaseError
        raise kind(f"{failure}: {one_line(cause)}; {advice}") from error


def _of_server(failure: str, cause: BaseException | None) -> DatabaseError:
    kind = BusyError if postgres.is_passing(cause) else DatabaseError
    return kind(f"{failure}: {one_line(cause)}")


def one_line(reason: object) -> str:
    return textwrap.shorten(str(reason), _MAX_REASON_CHARACTERS, placeholder="…")


def _is_passing(cause: object) -> bool:
    code = getattr(cause, "sqlite_errorcode", None)
    return isinstance(code, int) and (code & 0xFF in _PASSING_CODES or code in _PASSING_EXTENDED_CODES)
