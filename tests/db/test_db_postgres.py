"""What PostgreSQL does otherwise than SQLite, and would be noticed late."""

import asyncio
import socket
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection, event, text
from tests import postgres
from tests.databases import new_database
from tests.db.kit import NOW, a_delivery, an_order, facts, held, want

from orderwatch.config.settings import _MIN_LEASE
from orderwatch.core.database_location import PostgresServer
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.engines import postgres as engine
from orderwatch.db.migrate import HEAD, Schema, schema_of, upgrade
from orderwatch.db.queries.due import next_due
from orderwatch.db.repositories import Store, open_store
from orderwatch.db.tables import metadata
from orderwatch.errors import DatabaseError
from orderwatch.ports.queries import Search, Sort


@pytest.fixture
def database(server: postgres.Server) -> PostgresServer:
    return server.new_database()


async def test_every_partial_index_of_sqlite_is_partial_here(database: PostgresServer) -> None:
    found = facts(database, "SELECT indexname FROM pg_indexes WHERE indexdef LIKE '% WHERE %'")
    partial = {
        index.name
        for table in metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }
    assert "uq_intents_open" in partial
    assert {name for (name,) in found} == partial


async def test_three_hosts_that_start_at_once_create_the_schema_once(server: postgres.Server) -> None:
    server.create("started_at_once")
    location = server.location("started_at_once")
    await asyncio.gather(*(asyncio.to_thread(upgrade, location) for _ in range(3)))
    assert schema_of(location) is Schema.CURRENT
    assert facts(location, "SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_a_host_refuses_a_newer_schema(database: PostgresServer, server: postgres.Server) -> None:
    server.sql(database.name, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match="schema 9999, newer than this version's"):
        schema_of(database)


async def test_a_text_with_nul_is_kept_without_it_and_can_be_written_again(database: PostgresServer) -> None:
    async with open_store(database) as store:
        await want(store, a_delivery("s1", reason="a\0b"))
        order = await held(store)
        assert [d.reason for d in order.deliveries] == ["a\ufffdb"]
        document: dict[str, object] = {"deep": ["\0", {"k\0": 1}]}
        await store.orders.save(Verdict(order=replace(order, document=document)))
        assert (await held(store)).document == document
        assert facts(database, "SELECT count(*) FROM orders WHERE document LIKE '%deep%'") == [(1,)]


async def test_no_reading_transaction_can_write(database: PostgresServer) -> None:
    async with open_store(database) as store:
        with pytest.raises(DatabaseError, match="read-only transaction"):
            await store.database.rows(text("DELETE FROM orders RETURNING id"))


async def test_writers_of_several_hosts_take_turns_so_that_what_is_read_stays_true(
    database: PostgresServer,
) -> None:
    """At READ COMMITTED without the turn, a budget of three was overspent in each round of eight."""
    numbers = count()

    def spend(db: Connection) -> None:
        used = db.execute(text("SELECT count(*) FROM trees")).scalar_one()
        if used < 3:
            db.execute(text("INSERT INTO trees VALUES (:root, 'x')"), {"root": f"/{next(numbers)}"})

    async with open_store(database) as one, open_store(database) as two, open_store(database) as three:
        stores: tuple[Store, ...] = (one, two, three)
        for _ in range(4):
            await asyncio.gather(*(store.database.write(spend) for store in stores))
    assert facts(database, "SELECT count(*) FROM trees") == [(3,)]


async def test_a_writer_that_stops_in_its_turn_is_ended_by_the_server(
    database: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = {**engine._SETTINGS, "idle_in_transaction_session_timeout": "300ms"}
    monkeypatch.setattr(engine, "_SETTINGS", short)
    stopped = await engine._connect(database)
    turn = f"SELECT pg_advisory_xact_lock({engine._TURN})"
    for statement in ("BEGIN", turn, "INSERT INTO trees VALUES ('a', 'b')"):
        await stopped.execute(statement)
    async with open_store(database) as store:
        await store.orders.save(Verdict(order=an_order()))
    assert facts(database, "SELECT count(*) FROM trees") == [(0,)]
    stopped.terminate()


def test_a_connection_that_the_server_has_just_ended_is_waited_for() -> None:
    """So a host that was stopped in its turn goes on; seen with asyncpg 0.32."""
    ended = asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress")
    assert engine.is_passing(ended)


async def test_another_locale_of_the_database_changes_no_order_and_no_search(
    server: postgres.Server, tmp_path: Path
) -> None:
    """Nor does an update of the locale damage an index, as it does one that is sorted by it."""
    unicode = "ENCODING UTF8 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'PG_UNICODE_FAST' LOCALE 'C'"
    server.sql("postgres", f'CREATE DATABASE "other_locale" TEMPLATE template0 {unicode}')
    upgrade(location := server.location("other_locale"))
    assert facts(location, "SELECT lower('\u00c4')") == [("ä",)]  # the locale is in effect
    async with open_store(location) as there, open_store(new_database(tmp_path)) as here:
        found = []
        for store in (there, here):
            for number, name in enumerate(("quay 9", "Quay 10", "ärger", "Ärger", "Zebra"), start=8):
                await store.orders.save(Verdict(order=an_order(number, task_name=name, product=name)))
            searches = [Search(sort=sort) for sort in Sort] + [Search(text="Ä"), Search(text="qUAY 1")]
            pages = [await store.search.find(search) for search in searches]
            found.append([[order.order_id for order in page.orders] for page in pages])
    assert found[0] == found[1]


async def test_a_claim_on_a_new_server_without_statistics_reads_the_queue_a_few_times(
    database: PostgresServer,
) -> None:
    """It holds the turn of all hosts meanwhile."""
    queued = 120
    async with open_store(database) as store:
        await want(store, *(a_delivery(f"s{n}", capture_id=f"c{n}") for n in range(queued)))
        plan = await store.database.read(_explained_claim)
    assert _rows_read(plan) < 20 * queued


def _explained_claim(db: Connection) -> Any:  # noqa: ANN401 - a document
    """The executed plan of the query that each claim begins with."""
    sent: list[tuple[str, Any]] = []
    event.listen(db, "before_cursor_execute", lambda *call: sent.append((call[2], call[3])))
    given = {"now": NOW, "beyond": NOW, "room_0": 10**12, "boot": "b", "at": NOW}
    db.execute(next_due("postgresql", ("main",), (), (), ((None, False),)), given)
    [(statement, parameters)] = sent
    [explained] = db.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
    return explained["Plan"]


def _rows_read(plan: Any) -> int:  # noqa: ANN401 - a document
    """Rows of every step of a plan, as often as it ran."""
    read: float = plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Join Filter", 0)
    return round(read + sum(_rows_read(part) for part in plan.get("Plans", ())))


async def test_a_connection_that_only_listens_notices_a_server_that_is_gone_without_a_word(
    database: PostgresServer,
) -> None:
    """The kernel's probes end it; asyncpg 0.32 leaves them off."""
    connection = await engine._connect(database)
    way = connection._transport.get_extra_info("socket")
    assert way.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    found = {name: way.getsockopt(*name) for name in engine._SOCKET_OPTIONS}
    assert found == engine._SOCKET_OPTIONS
    await connection.close()


def test_a_host_that_is_stopped_in_its_turn_ends_no_lease_of_another() -> None:
    """Another one has beaten up to a quarter of a lease before, and its own is over a sixth early."""
    held = float(engine._SETTINGS["idle_in_transaction_session_timeout"].removesuffix("s"))
    assert held < _MIN_LEASE.total_seconds() * (1 - 1 / 4 - 1 / 6)
