"""Backups: whole and durable copies of the database, and restoring one in its place.

Only SQLite reads the live file, beside its writer, which goes on.
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
from orderwatch.db.engines.sqlite import side_connection
from orderwatch.db.file_errors import translated
from orderwatch.db.migrate import Schema, schema_of
from orderwatch.errors import DatabaseError
from orderwatch.fsync import sync
from orderwatch.ports import Backup

_TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"-(\d{8}T\d{6}Z)\.db")
_SIDE_FILES = ("-wal", "-shm")
_ABANDONED_SECONDS = 3600.0  # without a write


class Backups:
    """`ports.Backups` in one folder."""

    def __init__(self, database: Path, folder: Path, keep: int) -> None:
        self._database = database
        self.folder = folder
        self.keep = keep

    def newest(self) -> datetime | None:
        return max(self._list(), default=None)

    async def make(self, now: datetime) -> Backup:
        stop = threading.Event()
        return await shielded(asyncio.to_thread(self._make, now, stop), hurry=stop.set)

    def _make(self, now: datetime, stop: threading.Event) -> Backup:
        with translated(f"{self.folder} cannot be created"):
            if not self.folder.is_dir():
                self.folder.mkdir(mode=0o700, parents=True)
                _chown(self.folder, like=self._database)
            self._sweep()
        backup = copy_database(
            self._database, self.folder / f"{self._database.stem}-{now:{_TIME_FORMAT}}.db", stop
        )
        with translated(f"old backups cannot be removed from {self.folder}"):
            found = self._list()
            for at in sorted(found)[: -self.keep or 0]:
                found[at].unlink(missing_ok=True)
        return backup

    def _sweep(self) -> None:
        """Remove what killed processes left of a backup: each is as large as the database."""
        for path in self.folder.glob(f".{glob.escape(self._database.stem)}-*.db.new*"):
            with suppress(FileNotFoundError):  # a command beside us may be at work
                if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink()

    def _list(self) -> dict[datetime, Path]:
        found = {}
        with translated(f"{self.folder} cannot be read"), suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                match = _NAME.fullmatch(path.name.removeprefix(self._database.stem))
                if match and path.name.startswith(self._database.stem):
                    found[datetime.strptime(match[1], _TIME_FORMAT).replace(tzinfo=UTC)] = path
        return found


def copy_database(database: Path, target: Path, stop: threading.Event) -> Backup:
    """Copy the database as of one moment, check the copy and make it durable before it gets its name.

    Raises `DatabaseError` if the name is taken.
    """
    target = target.absolute()
    aside = target.with_name(f".{target.name}.new")
    with translated(f"{database} cannot be backed up to {target}"):
        if target.exists():
            raise DatabaseError(f"{target} already exists; choose another file")
        _check_space(database, target.parent)
        aside.unlink(missing_ok=True)
        try:
            with side_connection(database, stop.is_set) as db:
                db.execute("VACUUM INTO ?", (str(aside),))
            aside.chmod(0o600)
            _chown(aside, like=database)
            sync(aside)
            check_backup(aside)
            aside.rename(target)
        finally:
            aside.unlink(missing_ok=True)
        sync(target.parent)
        return Backup(target, target.stat().st_size)


def check_backup(backup: Path) -> None:
    """Raise `DatabaseError` unless this is an undamaged database of this schema or an older one."""
    if schema_of(backup, thorough=True) is Schema.NONE:
        raise DatabaseError(f"{backup} is not a backup of orderwatch: it is missing or empty")


def replace_database(backup: Path, database: Path, now: datetime) -> Path | None:
    """Put a copy of the backup in the place of the database; return the former database's new path.

    At every moment the former database is whole under one of its names.
    """
    incoming = database.with_name(f".{database.name}.restoring")
    aside = database.with_name(f"{database.name}.before-{now:{_TIME_FORMAT}}")
    with translated(f"{backup} cannot be restored to {database}"):
        database.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(backup, incoming)
            incoming.chmod(0o600)
            _chown(incoming, like=database if database.exists() else database.parent)
            sync(incoming)
            check_backup(incoming)
            there = [end for end in ("", *_SIDE_FILES) if Path(f"{database}{end}").exists()]
            for end in there:
                os.link(f"{database}{end}", f"{aside}{end}")
            sync(database.parent)
            for end in _SIDE_FILES:  # their content must never be played into the backup
                Path(f"{database}{end}").unlink(missing_ok=True)
            sync(database.parent)
            incoming.replace(database)
            sync(database.parent)
        finally:
            incoming.unlink(missing_ok=True)
    return aside if there else None


def _check_space(database: Path, folder: Path) -> None:
    needed = sum(
        Path(f"{database}{end}").stat().st_size for end in ("", "-wal") if Path(f"{database}{end}").exists()
    )
    if (free := shutil.disk_usage(folder).free) < needed:
        needs, left = format_bytes_pair(needed, free)
        raise DatabaseError(f"no space for a backup in {folder}: {needs} needed, {left} free")


def _chown(path: Path, *, like: Path) -> None:
    """Give a file that root made to the database's owner, or the daemon could not use it."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
