"""Backups are whole, beside a writer too; one put back knows the tree, and nothing is fetched twice."""

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.app.upkeep_kit import Home, home, spoil

from orderwatch.app.commands.restore import back_up, restore
from orderwatch.app.plan import resolve
from orderwatch.core.model import DeliveryState, OrderState
from orderwatch.db.lock import exclusive_lock
from orderwatch.db.migrate import Schema, schema_of, upgrade
from orderwatch.errors import DatabaseError, DiskError, LockedError
from orderwatch.simulator.scenario import Scene

NOW = datetime.now(UTC)


async def backed_up(at_home: Home, name: str = "copy.db") -> Path:
    made = await back_up(at_home.settings.database, at_home.rig.folder / name, NOW)
    assert made.size == made.path.stat().st_size
    return made.path


def forget(database: Path, statement: str) -> None:
    """The database as it was before that."""
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA foreign_keys=ON")
    with connection:
        connection.execute(statement)
    connection.close()


def named(folder: Path, part: str) -> list[str]:
    return [path.name for path in folder.iterdir() if part in path.name]


async def put_back(at_home: Home, backup: Path) -> tuple[Path | None, int]:
    done = await asyncio.to_thread(restore, resolve(at_home.settings), backup, NOW)
    return done.aside, done.files


async def assert_nothing_is_fetched_again(at_home: Home) -> None:
    at_home.rig.simulator.journal.clear()
    assert await at_home.once() == []
    assert at_home.downloads() == 0
    await at_home.assert_whole()


@pytest.mark.long
async def test_what_the_backup_knows_is_there_again_and_the_former_database_is_kept(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        backup = await backed_up(at_home)
        before = await at_home.deliveries()
        forget(at_home.rig.database, "DELETE FROM orders")
        aside, files = await put_back(at_home, backup)
        assert files == 0
        assert aside is not None
        assert await at_home.deliveries() == before
        kept = sqlite3.connect(aside)
        assert kept.execute("SELECT count(*) FROM orders").fetchone() == (0,)
        kept.close()
        await assert_nothing_is_fetched_again(at_home)


@pytest.mark.parametrize(
    "older",
    [
        pytest.param("DELETE FROM orders", marks=pytest.mark.long),
        "UPDATE deliveries SET state = 'wanted', stored_at = NULL, path = NULL, path_key = NULL, durable = 0",
        pytest.param("DELETE FROM deliveries", marks=pytest.mark.long),
        pytest.param(
            "UPDATE deliveries SET state = 'waiting', stored_at = NULL, size = NULL, durable = 77",
            marks=pytest.mark.long,
        ),
        pytest.param("UPDATE deliveries SET state = 'given_up', stored_at = NULL", marks=pytest.mark.long),
    ],
)
async def test_files_that_came_after_the_backup_are_taken_up_and_not_fetched_again(
    tmp_path: Path, older: str
) -> None:
    async with home(tmp_path) as at_home:
        before = {d.key: (d.path, d.sha256, d.stored_at) for d in await at_home.deliveries()}
        backup = await backed_up(at_home)
        forget(backup, older)
        _, files = await put_back(at_home, backup)
        assert files == len(before) == 2
        rows = await at_home.deliveries()
        assert {d.key: (d.path, d.sha256) for d in rows} == {key: was[:2] for key, was in before.items()}
        assert {d.state for d in rows} == {DeliveryState.STORED}
        (order,) = await at_home.orders()
        assert order.state is OrderState.OPEN
        assert order.next_look_at == NOW
        await assert_nothing_is_fetched_again(at_home)


@pytest.mark.long
async def test_a_version_that_came_after_the_backup_follows_the_one_that_it_knows(tmp_path: Path) -> None:
    async with home(tmp_path, Scene(size="9 kB", republished=(100.0,))) as at_home:
        backup = await backed_up(at_home)
        at_home.seconds[0] = 200
        assert await at_home.once() == []
        before = {d.version: d.state for d in await at_home.deliveries()}
        assert before == {1: DeliveryState.SUPERSEDED, 2: DeliveryState.STORED}
        assert (await put_back(at_home, backup))[1] == 1
        assert {d.version: d.state for d in await at_home.deliveries()} == before
        await assert_nothing_is_fetched_again(at_home)


@pytest.mark.long
async def test_files_of_other_names_and_bytes_are_left_alone(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        first, second = await at_home.deliveries()
        backup = await backed_up(at_home)
        moved = at_home.file(first).with_name("moved.zip")
        at_home.file(first).rename(moved)
        at_home.beside(first).rename(f"{moved}.json")
        spoil(at_home.file(second))
        assert (await put_back(at_home, backup))[1] == 0
        assert [d.path for d in await at_home.deliveries()] == [first.path, second.path]
        assert ("changed", second.path) in await at_home.found()


@pytest.mark.long
async def test_an_older_backup_is_brought_to_this_schema(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        backup = await backed_up(at_home)
        upgrade(backup, "0004")
        await put_back(at_home, backup)
        assert schema_of(at_home.rig.database, thorough=True) is Schema.CURRENT
        await assert_nothing_is_fetched_again(at_home)


async def test_what_is_no_backup_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        database, whole = at_home.rig.database, at_home.rig.database.read_bytes()
        backup = await backed_up(at_home)
        newer, damaged = tmp_path / "newer.db", tmp_path / "damaged.db"
        newer.write_bytes(backup.read_bytes())
        forget(newer, "UPDATE alembic_version SET version_num = '9999'")
        damaged.write_bytes(backup.read_bytes()[:-8192])
        for bad in (newer, damaged, tmp_path / "none.db", at_home.rig.config):
            with pytest.raises(DatabaseError):
                await put_back(at_home, bad)
        with exclusive_lock(database), pytest.raises(LockedError):
            await put_back(at_home, backup)
        at_home.tree.rename(tmp_path / "elsewhere")
        with pytest.raises(DiskError, match="is its disk mounted"):
            await put_back(at_home, backup)
        assert database.read_bytes() == whole
        assert not list(database.parent.glob("*before*"))


@pytest.mark.long
async def test_where_the_database_is_lost_the_backup_takes_its_place(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        backup = await backed_up(at_home)
        at_home.lose_database()
        assert await put_back(at_home, backup) == (None, 0)
        await assert_nothing_is_fetched_again(at_home)


async def test_the_log_of_the_former_database_is_never_played_into_the_backup(tmp_path: Path) -> None:
    """A killed daemon leaves its -wal."""
    async with home(tmp_path) as at_home:
        backup = await backed_up(at_home)
        before = await at_home.deliveries()
        database = at_home.rig.database
        writer = sqlite3.connect(database)
        writer.execute("UPDATE deliveries SET reason = 'later'")
        writer.commit()
        wal = database.with_name(f"{database.name}-wal")
        left = {path: path.read_bytes() for path in (database, wal)}
        writer.close()
        for path, content in left.items():
            path.write_bytes(content)
        aside, _ = await put_back(at_home, backup)
        assert [d.reason for d in await at_home.deliveries()] == [d.reason for d in before]
        kept = sqlite3.connect(aside or "")
        assert kept.execute("SELECT DISTINCT reason FROM deliveries").fetchall() == [("later",)]
        kept.close()


@pytest.mark.long
async def test_a_backup_is_never_written_over_a_file_nor_left_half(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        backup = await backed_up(at_home)
        with pytest.raises(DatabaseError, match="already exists"):
            await backed_up(at_home)
        spoiled = at_home.rig.database
        spoiled.write_bytes(spoiled.read_bytes()[:-4096])
        with pytest.raises(DatabaseError):
            await backed_up(at_home, "second.db")
        assert named(tmp_path, ".db") == [backup.name]


async def test_the_commands_back_up_beside_a_daemon_and_restore_after_it(tmp_path: Path, forks: Path) -> None:
    async with home(tmp_path, forks=forks) as at_home:
        rig = at_home.rig
        with exclusive_lock(rig.database):
            made = await rig.call("backup")
            assert (made.code, made.err) == (0, "")
            ended = await rig.call("restore", made.out.split(",")[0])
            assert (ended.code, len(ended.err.splitlines())) == (5, 1)
        (backup,) = (rig.database.parent / "backups").iterdir()
        assert made.out.startswith(str(backup))
        assert {path.stat().st_uid for path in (backup, backup.parent)} == {rig.database.stat().st_uid}
        ended = await rig.call("restore", str(backup))
        assert (ended.code, ended.err) == (0, "")
        assert "0 files in the trees were registered" in ended.out
        assert (await rig.call("verify")).code == 0
