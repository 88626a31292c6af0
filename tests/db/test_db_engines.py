"""The settings of each connection, and reading beside writing."""

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.util import greenlet_spawn
from tests.databases import blank
from tests.db.kit import NOW, a_delivery, a_move, an_order, elsewhere, held, want, write_from_elsewhere

from orderwatch.core.deliveries.state_machine import claimed
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.engines.sqlite import inspect_engine, upgrade_engine
from orderwatch.db.repositories import Store, open_reader, open_store
from orderwatch.errors import DatabaseError

pytestmark = pytest.mark.sqlite

_INSERT = text(
    "INSERT INTO captures (order_row, capture_id, word, doubts, lacking)"
    " VALUES (4711, 'orphan', 'planned', 0, 0)"
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def overwrite(database: Path, beyond: int) -> None:
    whole = database.read_bytes()
    database.write_bytes(whole[:beyond] + b"\xff" * (len(whole) - beyond))


def pragma(engine: Engine, name: str) -> object:
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def writer_of(store: Store) -> Engine:
    assert store.database._writer is not None
    return store.database._writer._engine


async def test_the_writer_commits_durably_into_a_write_ahead_log_with_references_checked(
    store: Store,
) -> None:
    found = {name: pragma(writer_of(store), name) for name in ("journal_mode", "synchronous")}
    assert found == {"journal_mode": "wal", "synchronous": 2}
    assert pragma(writer_of(store), "foreign_keys") == 1
    assert pragma(writer_of(store), "query_only") == 0
    assert pragma(writer_of(store), "busy_timeout") == 10_000
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), writer_of(store).begin() as connection:
        connection.execute(_INSERT)


async def test_the_writer_has_one_connection_and_takes_the_file_before_it_reads(
    store: Store, database: Path
) -> None:
    with writer_of(store).begin() as connection:
        connection.execute(text("SELECT 1"))
        impatient = sqlite3.connect(database, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            impatient.execute("BEGIN IMMEDIATE")
        impatient.close()
    assert writer_of(store).pool.status().startswith("Pool size: 1 ")


async def test_no_reading_connection_can_write(store: Store) -> None:
    assert await store.database.scalar(text("PRAGMA query_only")) == 1
    for statement in ("DELETE FROM orders", "CREATE TABLE mine (x)", "PRAGMA user_version=7"):
        with pytest.raises(DatabaseError, match="readonly"):
            await store.database.rows(text(statement))


def test_the_inspecting_connection_cannot_write_and_the_upgrading_one_leaves_references_alone(
    database: Path,
) -> None:
    with pytest.raises(OperationalError, match="readonly"), inspect_engine(database).begin() as connection:
        connection.execute(_INSERT)
    with upgrade_engine(database).begin() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert found == ["wal", 2, 0]


async def test_a_missing_file_is_an_error_and_never_a_new_empty_database(tmp_path: Path) -> None:
    async with open_store(tmp_path / "gone.db") as store, open_reader(tmp_path / "gone.db") as reader:
        for act in (
            reader.orders.list_all(),
            store.orders.list_all(),
            store.orders.save(Verdict(order=an_order())),
        ):
            with pytest.raises(DatabaseError, match="unable to open database file; check"):
                await act
    assert names_in(tmp_path) == []


def test_a_file_that_vanishes_before_it_is_inspected_is_not_recreated(tmp_path: Path) -> None:
    with (
        pytest.raises(OperationalError, match="unable to open"),
        inspect_engine(tmp_path / "gone.db").begin(),
    ):
        pytest.fail("there is nothing to inspect")
    assert names_in(tmp_path) == []


async def test_a_file_damaged_under_an_open_store_is_an_error_that_says_what_to_do(database: Path) -> None:
    async with open_store(database) as store:
        await want(store, *(a_delivery(f"s{n}", reason="x" * 900) for n in range(40)))
    overwrite(database, beyond=4096)
    async with open_store(database) as store:
        for act in (
            store.orders.list_all(),
            store.orders.save(Verdict(order=an_order(2))),
            store.deliveries.claim(NOW, ["main"]),
        ):
            with pytest.raises(DatabaseError, match="malformed; restore a backup"):
                await act


async def test_a_path_may_hold_what_a_uri_gives_a_meaning_to(tmp_path: Path) -> None:
    database = tmp_path / "50% of ?mode=memory&x #1 é" / "a+b.db"
    database.parent.mkdir()
    database.write_bytes(blank())
    async with open_store(database) as store:
        await store.orders.save(Verdict(order=an_order()))
    async with open_reader(database) as reader:
        assert [order.task_id for order in await reader.orders.list_all()] == [1]


async def test_a_reader_beside_an_open_writer_sees_only_whole_transactions_and_never_waits_for_it(
    store: Store, database: Path
) -> None:
    await store.orders.save(Verdict(order=an_order(), transitions=(a_move(),)))
    async with open_reader(database) as reader:
        half_way = sqlite3.connect(database, isolation_level=None)
        half_way.execute("BEGIN IMMEDIATE")
        half_way.execute("UPDATE orders SET task_name = 'half-way'")
        assert (await held(store)).task_name is None
        (order,) = await reader.orders.list_all()
        assert order.task_name is None
        assert await reader.history.of_order("1") == [a_move()]
        half_way.close()


async def test_an_open_snapshot_stays_as_it_was_and_never_blocks_the_writer(
    store: Store, database: Path
) -> None:
    (delivery,) = await want(store, a_delivery())
    count = text("SELECT (SELECT count(*) FROM transitions), (SELECT state FROM deliveries)")
    async with open_reader(database) as reader:
        snapshot = await greenlet_spawn(reader.database._readers.connect)
        before = (await greenlet_spawn(snapshot.execute, count)).one()
        await store.deliveries.save(claimed(delivery, NOW))
        assert write_from_elsewhere(database) == "written"
        assert (await greenlet_spawn(snapshot.execute, count)).one() == before == (0, "wanted")
        await greenlet_spawn(snapshot.close)
        (after,) = await reader.database.rows(count)
        assert list(after.values()) == [2, "fetching"]


async def test_an_order_is_read_as_of_one_moment_while_it_is_being_rewritten(
    store: Store, database: Path
) -> None:
    """Captures, deliveries and the order's own row are three queries of one snapshot."""
    await want(store, *(a_delivery(f"s{n}", reason="0") for n in range(5)))
    done = asyncio.Event()

    async def rewrite() -> None:
        for number in range(1, 30):
            order = await held(store)
            renewed = tuple(replace(d, reason=str(number)) for d in order.deliveries)
            await store.orders.save(Verdict(order=replace(order, task_name=str(number)), wanted=renewed))
        done.set()

    async def read(reader: Store) -> int:
        seen = set()
        while not done.is_set():
            (order,) = await reader.orders.list_all()
            assert {d.reason for d in order.deliveries} == {order.task_name or "0"}
            seen.add(order.version)
        return len(seen)

    async with open_reader(database) as reader:
        _, here, beside = await asyncio.gather(rewrite(), read(store), read(reader))
    assert here > 1
    assert beside > 1


async def test_more_readers_than_connections_take_turns(store: Store) -> None:
    await store.orders.save(Verdict(order=an_order()))
    found = await asyncio.gather(*(store.orders.list_all() for _ in range(50)))
    assert {len(orders) for orders in found} == {1}


async def test_closing_leaves_one_file_with_everything_in_it(database: Path) -> None:
    """The writer is closed last, so the log is merged into the file by the one that wrote it."""
    async with open_store(database) as store:
        await store.orders.save(Verdict(order=an_order()))
        await store.orders.list_all()
        assert (database.parent / "orderwatch.db-wal").exists()
    assert names_in(database.parent) == ["orderwatch.db"]


@pytest.mark.parametrize("ticks", range(12))
async def test_a_store_is_closed_whole_though_its_owner_is_cancelled_while_closing(
    database: Path, ticks: int
) -> None:
    at_work = asyncio.Event()

    async def own() -> None:
        async with open_store(database) as store:
            await store.orders.save(Verdict(order=an_order()))
            await store.orders.list_all()
            at_work.set()
            await asyncio.sleep(60)

    owner = asyncio.create_task(own())
    await at_work.wait()
    owner.cancel()
    for _ in range(ticks):
        await asyncio.sleep(0)
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    assert names_in(database.parent) == ["orderwatch.db"]


def test_a_connection_that_nobody_closed_does_not_keep_the_process_from_ending(database: Path) -> None:
    code = """
import asyncio, sys
from pathlib import Path
from orderwatch.db.database import Database
from orderwatch.db.writer import ThreadWorker, Writer
from orderwatch.db.engines.sqlite import reader_engine, writer_engine
path, held = Path(sys.argv[1]), []
async def leave_open():
    held.append(Database(reader_engine(path), Writer(writer_engine(path), ThreadWorker())))
    await held[0].check_writable()
    await held[0].rows(__import__("sqlalchemy").text("SELECT 1"))
asyncio.run(leave_open())
print("left open")
"""
    assert elsewhere(code, database) == "left open"
