"""Makes backups, and restores one together with the files delivered since."""

import asyncio
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orderwatch.app.commands.rebuild import described, held_trees, require_trees
from orderwatch.app.plan import Plan
from orderwatch.cancellation import shielded
from orderwatch.config import Database
from orderwatch.core.deliveries.rebuild import restored
from orderwatch.db.backup import Backups, check_backup, copy_database, replace_database
from orderwatch.db.lock import create_folder, exclusive_lock
from orderwatch.db.migrate import Schema, schema_of, upgrade
from orderwatch.db.repositories import open_store
from orderwatch.ports import Backup


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Path of the former database, None if there was none; number of files registered from the trees."""

    aside: Path | None
    files: int


async def back_up(database: Database, to: Path | None, now: datetime) -> Backup:
    """Make a backup beside the nightly ones, or a copy at a new path. Raises `DatabaseError`."""
    if to is None:
        # The daemon removes the oldest.
        return await Backups(database.file, database.backups_path, keep=0).make(now)
    stop = threading.Event()
    return await shielded(asyncio.to_thread(copy_database, database.file, to, stop), hurry=stop.set)


def restore(plan: Plan, backup: Path, now: datetime) -> Restored:
    """Lock everything, check the backup, put it in place, and register the files of the trees.

    Raises `LockedError` while a daemon runs, `DatabaseError` if the backup is damaged, and `DiskError` if a
    tree is missing; nothing is changed then.
    """
    path = plan.database.file
    create_folder(path)
    with exclusive_lock(path), held_trees(plan):
        asyncio.run(require_trees(plan))
        check_backup(backup)
        aside = replace_database(backup, path, now)
        if schema_of(path) is Schema.BEHIND:
            upgrade(path)
        files = asyncio.run(_take_up(plan, now))
    return Restored(aside=aside, files=files)


async def _take_up(plan: Plan, now: datetime) -> int:
    taken, _ = await described(plan)
    async with open_store(plan.database.location) as store:
        return len(await store.maintenance.merge(restored(taken, now), now))
