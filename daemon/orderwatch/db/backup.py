"""Copies of the database that are whole and durable, and putting one in the place of the database.

The live file is read by SQLite alone, beside its writer, which goes on.
"""

import asyncio
import glob
import os
import re
import shutil
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from orderwatch.cancellation import shielded
from orderwatch.core.formatting import format_bytes_pair
from orderwatch.db.complaint import translated
from orderwatch.db.engine import beside
from orderwatch.db.migrate import Schema, schema_of
from orderwatch.errors import DatabaseError
from orderwatch.fsync import sync
from orderwatch.ports import Backup

_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"-(\d{8}T\d{6}Z)\.db")
_BESIDE = ("-wal", "-shm")
_ABANDONED = 3600.0  # seconds that nobody wrote to it


class Backups:
    """The backups of a database in one folder: the newest `keep` stay, with 0 all. `DatabaseError`."""

    def __init__(self, database: Path, folder: Path, keep: int) -> None:
        self._database = database
        self.folder = folder
        self.keep = keep

    def newest(self) -> datetime | None:
        """When the newest was made, as its name tells."""
        return max(self._made(), default=None)

    async def make(self, now: datetime) -> Backup:
        """One more; then the oldest go."""
        stop = threading.Event()
        return await shielded(asyncio.to_thread(self._make, now, stop), hurry=stop.set)

    def _make(self, now: datetime, stop: threading.Event) -> Backup:
        with translated(f"{self.folder} cannot be made"):
            if not self.folder.is_dir():
                self.folder.mkdir(mode=0o700, parents=True)
                _give(self.folder, like=self._database)
            self._sweep()
        made = copy_whole(self._database, self.folder / f"{self._database.stem}-{now:{_TIME}}.db", stop)
        with translated(f"old backups cannot be removed from {self.folder}"):
            kept = self._made()
            for at in sorted(kept)[: -self.keep or 0]:
                kept[at].unlink(missing_ok=True)
        return made

    def _sweep(self) -> None:
        """What a killed process left of one is as large as the database, and was no backup yet."""
        for path in self.folder.glob(f".{glob.escape(self._database.stem)}-*.db.new*"):
            with suppress(FileNotFoundError):  # a command beside us may be at work
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink()

    def _made(self) -> dict[datetime, Path]:
        found = {}
        with translated(f"{self.folder} cannot be read"), suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                told = _NAME.fullmatch(path.name.removeprefix(self._database.stem))
                if told and path.name.startswith(self._database.stem):
                    found[datetime.strptime(told[1], _TIME).replace(tzinfo=UTC)] = path
        return found


def copy_whole(database: Path, target: Path, stop: threading.Event) -> Backup:
    """As of one moment, checked, and durable before it has its name; `DatabaseError` where that is taken."""
    target = target.absolute()
    aside = target.with_name(f".{target.name}.new")
    with translated(f"{database} cannot be backed up to {target}"):
        if target.exists():
            raise DatabaseError(f"{target} is there already: name another file")
        _demand_room(database, target.parent)
        aside.unlink(missing_ok=True)
        try:
            with beside(database, stop.is_set) as db:
                db.execute("VACUUM INTO ?", (str(aside),))
            aside.chmod(0o600)
            _give(aside, like=database)
            sync(aside)
            demand_sound(aside)
            aside.rename(target)
        finally:
            aside.unlink(missing_ok=True)
        sync(target.parent)
        return Backup(target, target.stat().st_size)


def demand_sound(backup: Path) -> None:
    """`DatabaseError` where this is no whole database of this code's schema, or of an older one."""
    if schema_of(backup, thorough=True) is Schema.NONE:
        raise DatabaseError(f"{backup} is no backup of orderwatch: it is missing or empty")


def put_in_place(backup: Path, database: Path, now: datetime) -> Path | None:
    """The backup's copy takes the place of the database, whose files get names aside; returns the first.

    At every moment the former database is whole under one of its names.
    """
    incoming = database.with_name(f".{database.name}.restoring")
    aside = database.with_name(f"{database.name}.before-{now:{_TIME}}")
    with translated(f"{backup} cannot be restored to {database}"):
        database.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(backup, incoming)
            incoming.chmod(0o600)
            _give(incoming, like=database if database.exists() else database.parent)
            sync(incoming)
            demand_sound(incoming)
            there = [end for end in ("", *_BESIDE) if Path(f"{database}{end}").exists()]
            for end in there:
                os.link(f"{database}{end}", f"{aside}{end}")
            sync(database.parent)
            for end in _BESIDE:  # what they hold must never be played into the backup
                Path(f"{database}{end}").unlink(missing_ok=True)
            sync(database.parent)
            incoming.replace(database)
            sync(database.parent)
        finally:
            incoming.unlink(missing_ok=True)
    return aside if there else None


def _demand_room(database: Path, folder: Path) -> None:
    needed = sum(
        Path(f"{database}{end}").stat().st_size for end in ("", "-wal") if Path(f"{database}{end}").exists()
    )
    if (free := shutil.disk_usage(folder).free) < needed:
        wanted, left = format_bytes_pair(needed, free)
        raise DatabaseError(f"no space for a backup in {folder}: {wanted} needed, {left} free")


def _give(path: Path, *, like: Path) -> None:
    """What root makes belongs to whom the database belongs, or the daemon could not use it."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
