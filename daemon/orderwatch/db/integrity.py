"""Whether the database file is whole, read beside its writer."""

import asyncio
import sqlite3
import threading
import time
from pathlib import Path

from orderwatch.cancellation import shielded
from orderwatch.db.complaint import one_line, translated
from orderwatch.db.engine import beside
from orderwatch.errors import BusyError

_PATIENCE = 60.0  # seconds for the quick one


async def damage_of(database: Path, *, thorough: bool = False) -> str | None:
    """What is wrong with it, None where it is whole.

    `DatabaseError` where it cannot be read at all, `BusyError` where that cannot be told now or in time.
    """
    stop = threading.Event()
    return await shielded(asyncio.to_thread(_damage_of, database, thorough, stop), hurry=stop.set)


def _damage_of(database: Path, thorough: bool, stop: threading.Event) -> str | None:  # noqa: FBT001 - for a thread
    check = "integrity_check" if thorough else "quick_check"
    end = time.monotonic() + _PATIENCE

    def enough() -> bool:
        return stop.is_set() or (not thorough and time.monotonic() > end)

    with translated(f"{database} cannot be read"), beside(database, enough) as db:
        try:
            (found,) = db.execute(f"PRAGMA {check}(1)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            raise BusyError(f"{database} could not be read in time") from error
    return None if found == "ok" else one_line(found)
