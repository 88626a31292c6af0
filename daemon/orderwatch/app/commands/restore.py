"""A backup in the place of the database, and what stands in the trees since then made known to it."""

import asyncio
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orderwatch.app.commands.rebuild import described, held_trees
from orderwatch.cancellation import shielded
from orderwatch.config import Settings
from orderwatch.core.deliveries.rebuild import restored
from orderwatch.db.backup import Backups, copy_whole, demand_sound, put_in_place
from orderwatch.db.lock import make_folder, sole_writer
from orderwatch.db.migrate import Schema, schema_of, upgrade
from orderwatch.db.store import open_store
from orderwatch.ports import Backup


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Where the former database is now, None where there was none; how many files it learned of."""

    aside: Path | None
    files: int


async def back_up(settings: Settings, to: Path | None, now: datetime) -> Backup:
    """One more beside those of each night, or a copy at a path that nothing stands at. `DatabaseError`."""
    database = settings.database
    if to is None:
        # The oldest are for the daemon to remove.
        return await Backups(database.path, database.backups_path, keep=0).make(now)
    stop = threading.Event()
    return await shielded(asyncio.to_thread(copy_whole, database.path, to, stop), hurry=stop.set)


def restore(settings: Settings, backup: Path, now: datetime) -> Restored:
    """Hold everything, check the backup, put it in place, take up what the trees tell.

    `LockedError` while a daemon runs; `DatabaseError` where the backup is no good, with nothing changed;
    `DiskError` where a tree is not there.
    """
    path = settings.database.path
    make_folder(path)
    with sole_writer(path), held_trees(settings):
        demand_sound(backup)
        aside = put_in_place(backup, path, now)
        if schema_of(path) is Schema.BEHIND:
            upgrade(path)
        files = asyncio.run(_take_up(settings, now))
    return Restored(aside=aside, files=files)


async def _take_up(settings: Settings, now: datetime) -> int:
    taken, _ = await described(settings)
    async with open_store(settings.database.path) as store:
        return len(await store.take_up(restored(taken, now), now))
