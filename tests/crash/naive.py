"""Four ways to store a delivery that look right and are not: a sweep that lets them pass proves nothing.

Each is careful wherever it is not naive by its name.
"""

import functools
import hashlib
import os
import sqlite3
import sys
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from orderwatch.config import Settings, load
from orderwatch.fsync import sync
from orderwatch.transfer.fsops import make_folders

LINK = "link"  # the file beside the configuration that holds one
FINAL = "7/scene.zip"
_STEP = 2**16

_STORED = "UPDATE deliveries SET state = 'stored', path = ?, size = ?, sha256 = ?"
_MOVED = """
INSERT INTO transitions (at, account, order_id, task_id, subject, before, after, kind)
SELECT '2026-11-22', account, order_id, task_id, 'delivery', 'wanted', 'stored', 'step' FROM deliveries
"""


class Job:
    """A wanted delivery: `final` is its name, `aside` one that nobody looks at."""

    def __init__(self, config: Path) -> None:
        settings: Settings = load(config)
        root = Path(str(settings.delivery.root))
        self.final = root / FINAL
        self.aside = root / ".orderwatch" / "scene.zip"
        self._link = (config.parent / LINK).read_text(encoding="utf-8")
        self._database = settings.database.file

    @property
    def done(self) -> bool:
        with closing(sqlite3.connect(self._database)) as database:
            return bool(database.execute("SELECT 1 FROM deliveries WHERE state = 'stored'").fetchone())

    def download(self, path: Path, *, durable: bool) -> None:
        for folder in (self.final.parent, self.aside.parent):
            make_folders(folder)
        with urllib.request.urlopen(self._link) as body, path.open("wb") as file:  # noqa: S310 - our own link
            while piece := body.read(_STEP):
                file.write(piece)
            file.flush()
            if durable:
                os.fsync(file.fileno())

    def record(self, path: Path) -> None:
        content = path.read_bytes()
        told = (FINAL, len(content), hashlib.sha256(content).hexdigest())
        with closing(sqlite3.connect(self._database, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = FULL")
            database.execute("BEGIN IMMEDIATE")
            database.execute(_STORED, told)
            database.execute(_MOVED)
            database.execute("COMMIT")


def _naive(store: Callable[[Job], None]) -> Callable[[], None]:
    """A program with our command line."""

    @functools.wraps(store)
    def program() -> None:
        job = Job(Path(sys.argv[sys.argv.index("--config") + 1]))
        if not job.done:
            store(job)

    return program


@_naive
def final_name_directly(job: Job) -> None:
    job.download(job.final, durable=True)
    sync(job.final.parent)
    job.record(job.final)


@_naive
def renamed_without_sync(job: Job) -> None:
    job.download(job.aside, durable=False)
    job.aside.rename(job.final)
    sync(job.final.parent)
    job.record(job.final)


@_naive
def renamed_without_sync_of_the_folder(job: Job) -> None:
    job.download(job.aside, durable=True)
    job.aside.rename(job.final)
    job.record(job.final)


@_naive
def recorded_before_renamed(job: Job) -> None:
    job.download(job.aside, durable=True)
    job.record(job.aside)
    job.aside.rename(job.final)
    sync(job.final.parent)
