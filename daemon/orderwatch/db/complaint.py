"""What kept SQLite from working, on one line that says what to do."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from orderwatch.errors import DatabaseError

_LONGEST = 200  # characters; a damaged file complains with what it holds


@contextmanager
def translated(failed: str) -> Iterator[None]:
    """Any trouble with the file becomes a `DatabaseError`; above this door nobody knows SQLAlchemy."""
    try:
        yield
    except IntegrityError:
        raise  # not the file's fault
    except (OSError, DBAPIError, UnicodeDecodeError) as error:  # damage garbles even the complaint
        told = error.orig if isinstance(error, DBAPIError) else error
        kept_out = isinstance(error, OSError | OperationalError)
        advice = "check its disk, its permissions and who else uses it" if kept_out else "restore a backup"
        raise DatabaseError(f"{failed}: {one_line(told)}; {advice}") from error


def one_line(complaint: object) -> str:
    return textwrap.shorten(str(complaint), _LONGEST, placeholder="…")
