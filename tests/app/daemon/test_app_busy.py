"""A daemon whose database another process holds goes on, says it once, and can be stopped meanwhile."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.app.stderr_log import StderrLog, logged
from tests.app.upkeep_kit import Home, home
from tests.patience import PATIENCE

from orderwatch.app.daemon.lifecycle import run_daemon
from orderwatch.app.held_database import held_database
from orderwatch.ops.log import Redactor

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderwatch.db.database.RETRIED_BUSY_TIMEOUT_SECONDS", 0.05)


@contextmanager
def other(at_home: Home) -> Iterator[sqlite3.Connection]:
    """Another process's connection."""
    with closing(sqlite3.connect(at_home.rig.database, isolation_level=None, timeout=0)) as connection:
        yield connection


async def take(connection: sqlite3.Connection) -> None:
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            await asyncio.sleep(0.001)
        else:
            return


async def said(log: StderrLog, event: str) -> None:
    """Wait for it in the log, of which the rest is forgotten."""
    async with asyncio.timeout(PATIENCE):
        while event not in {line["event"] for line in log.take()}:
            await asyncio.sleep(0.001)


def begun(at_home: Home) -> asyncio.Task[None]:
    return asyncio.create_task(run_daemon(at_home.settings, Redactor(), lambda: at_home.settings))


async def ended(daemon: asyncio.Task[None]) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        await daemon


async def test_a_daemon_outlives_a_lock_and_stops_under_one(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        with logged() as log, held_database(at_home.settings.database), other(at_home) as holder:
            daemon = begun(at_home)
            await said(log, "token.minted")
            await take(holder)
            await said(log, "database.busy")
            holder.execute("ROLLBACK")
            await said(log, "database.free")
            await take(holder)
            await said(log, "database.busy")
            await ended(daemon)


async def test_a_daemon_that_begins_under_a_lock_can_be_stopped(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        with logged() as log, held_database(at_home.settings.database), other(at_home) as holder:
            await take(holder)
            daemon = begun(at_home)
            await said(log, "database.busy")
            await ended(daemon)


async def test_a_reload_under_a_lock_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        with logged() as log, held_database(at_home.settings.database), other(at_home) as holder:
            daemon = begun(at_home)
            await said(log, "token.minted")
            await take(holder)
            os.kill(os.getpid(), signal.SIGHUP)
            await said(log, "database.busy")
            await ended(daemon)
