"""A busy database or a full disk: work is retried, and the trouble logged once."""

import asyncio
import math
import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.databases import new_database
from tests.db.kit import NOW, a_delivery, an_order, held, want
from tests.patience import PATIENCE

from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import Store, open_store
from orderwatch.errors import BusyError, DatabaseError

pytestmark = pytest.mark.sqlite


@pytest.fixture(autouse=True)
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own timeouts, shortened."""
    monkeypatch.setattr("orderwatch.db.database.BUSY_TIMEOUT_SECONDS", 0.01)
    monkeypatch.setattr("orderwatch.db.database.RETRIED_BUSY_TIMEOUT_SECONDS", 0.01)
    monkeypatch.setattr("orderwatch.db.database._MIN_RETRY_SECONDS", 0.001)
    monkeypatch.setattr("orderwatch.db.database._MAX_RETRY_SECONDS", 0.005)


@pytest.fixture
async def retrying(database: Path) -> AsyncIterator[Store]:
    async with open_store(database, retry_seconds=math.inf) as opened:
        await opened.orders.save(Verdict(order=an_order()))
        yield opened


@contextmanager
def locked(database: Path, how: str = "IMMEDIATE") -> Iterator[None]:
    other = sqlite3.connect(database, isolation_level=None)
    other.execute(f"BEGIN {how}")
    yield
    other.execute("ROLLBACK")
    other.close()


def logged(events: LogCapture) -> list[str]:
    return [e["event"] for e in events.entries if e["event"].startswith("database.")]


async def until_busy(store: Store) -> None:
    async with asyncio.timeout(PATIENCE):
        while store.database.trouble is None:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
async def test_what_a_locked_database_refused_is_written_when_it_is_free(
    retrying: Store, database: Path, events: LogCapture, how: str
) -> None:
    with locked(database, how):
        writers = [
            asyncio.create_task(retrying.accounts.save_circuit(f"account {n}", None)) for n in range(3)
        ]
        await until_busy(retrying)
        assert (await held(retrying)).task_id == 1
        assert "locked" in (retrying.database.trouble or "")
    await asyncio.gather(*writers)
    assert set(await retrying.accounts.states()) == {f"account {n}" for n in range(3)}
    assert retrying.database.trouble is None
    assert logged(events) == ["database.busy", "database.free"]
    assert {e["log_level"] for e in events.entries} == {"error", "info"}


async def test_without_retries_it_is_an_error_and_nothing_is_logged(
    store: Store, database: Path, events: LogCapture
) -> None:
    with locked(database), pytest.raises(BusyError, match="locked"):
        await store.accounts.save_circuit("main", None)
    assert logged(events) == []


async def test_bounded_retries_end(database: Path) -> None:
    async with open_store(database, retry_seconds=0.02) as store:
        with locked(database), pytest.raises(BusyError, match="locked"):
            await store.accounts.save_circuit("main", None)
        await store.accounts.save_circuit("main", None)
        assert store.database.trouble is None


async def test_a_cancelled_writer_leaves_at_once_and_so_does_what_it_writes_then(
    retrying: Store, database: Path
) -> None:
    async def work() -> None:
        try:
            await retrying.accounts.save_circuit("first", None)
        except asyncio.CancelledError:
            await retrying.accounts.save_circuit("second", None)
            raise

    with locked(database):
        writers = [asyncio.create_task(work()) for _ in range(5)]
        await until_busy(retrying)
        for writer in writers:
            writer.cancel()
        async with asyncio.timeout(PATIENCE):
            ends = await asyncio.gather(*writers, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    await retrying.accounts.save_circuit("third", None)
    assert set(await retrying.accounts.states()) == {"third"}
    assert retrying.database.trouble is None


async def test_at_a_stop_even_shielded_work_does_not_wait(retrying: Store, database: Path) -> None:
    with locked(database):
        shielded = asyncio.create_task(retrying.accounts.save_circuit("main", None))
        await until_busy(retrying)
        retrying.database.stop_waiting()
        with pytest.raises(asyncio.CancelledError):
            await shielded


async def test_damage_is_not_waited_for(retrying: Store, database: Path) -> None:
    await want(retrying, a_delivery())
    spoil(database)
    with pytest.raises(DatabaseError) as caught:
        await retrying.orders.list_all()
    assert not isinstance(caught.value, BusyError)
    assert retrying.database.trouble is None


def spoil(database: Path) -> None:
    database.write_bytes(b"\xff" * 4096 * 40)
    Path(f"{database}-wal").write_bytes(b"")


def fill(disk: Path) -> Path:
    """A file that takes all that is left."""
    filling = disk / "filling"
    with filling.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filling


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("file systems can be mounted by root only")
    folder = tmp_path / "volume"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_is_waited_for_and_nothing_is_lost(small_disk: Path, events: LogCapture) -> None:
    database = new_database(small_disk)
    async with open_store(database, retry_seconds=math.inf) as store:
        await store.orders.save(Verdict(order=an_order()))
        filling = fill(small_disk)
        writers = [
            asyncio.create_task(
                store.orders.save(Verdict(order=an_order(task_id, document={"long": "x" * 20_000})))
            )
            for task_id in range(10, 20)
        ]
        await until_busy(store)
        assert (await held(store)).task_id == 1
        assert (
            await store.deliveries.claim(NOW, {"main"}) is None
        )  # what is small may go through, and ends nothing
        filling.unlink()
        await asyncio.gather(*writers)
        assert len(await store.orders.list_all()) == 11
        assert logged(events) == ["database.busy", "database.free"]
