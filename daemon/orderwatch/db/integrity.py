"""The integrity check of the database file, beside its writer.

The quick one leaves out the indexes and is bounded in time; the thorough one reads everything.
"""

import asyncio
import sqlite3
import threading
import time
from pathlib import Path

from orderwatch.cancellation import shielded
from orderwatch.db.engines.sqlite import side_connection
from orderwatch.db.file_errors import one_line, translated
from orderwatch.errors import BusyError

_QUICK_CHECK_TIMEOUT_SECONDS = 60.0


async def find_damage(database: Path, *, thorough: bool = False) -> str | None:
    """Return what is damaged in the file, None if nothing is.

    Raises `DatabaseError` if the file cannot be read at all, `BusyError` if it cannot be checked in time.
    """
    stop = threading.Event()
    return await shielded(asyncio.to_thread(_find_damage, database, thorough, stop), hurry=stop.set)


def _find_damage(database: Path, thorough: bool, stop: threading.Event) -> str | None:  # noqa: FBT001 - for a thread
    check = "integrity_check" if thorough else "quick_check"
    deadline = time.monotonic() + _QUICK_CHECK_TIMEOUT_SECONDS

    def should_stop() -> bool:
        return stop.is_set() or (not thorough and time.monotonic() > deadline)

    with translated(f"{database} cannot be read"), side_connection(database, should_stop) as db:
        try:
            (found,) = db.execute(f"PRAGMA {check}(1)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            raise BusyError(f"{database} could not be read in time") from error
    return None if found == "ok" else one_line(found)
