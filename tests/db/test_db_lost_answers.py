"""Commits whose answer is lost: whether they happened is looked up, so that nothing is twice or lost."""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text
from structlog.testing import LogCapture
from tests import postgres
from tests.db.kit import NOW, a_delivery, a_move, an_order, apart, facts, held, want
from tests.db.proxy import Proxy, before
from tests.db.test_db_intents import an_intent
from tests.db.test_db_outbox import ALL, pending

from orderwatch.core.database_location import PostgresServer
from orderwatch.core.ordering.intent import Budget
from orderwatch.core.orders.observe import Verdict
from orderwatch.db import database as retries
from orderwatch.db.database import Database
from orderwatch.db.engines import postgres as engine
from orderwatch.db.repositories import Store, open_store
from orderwatch.errors import BusyError, StaleOrderError

MOVES = "SELECT count(*) FROM transitions"
LEASE = timedelta(seconds=30)


@pytest.fixture
def database(server: postgres.Server) -> PostgresServer:
    return server.new_database()


@pytest.fixture
async def front(database: PostgresServer) -> AsyncIterator[tuple[Proxy, PostgresServer]]:
    async with before(database) as found:
        yield found


@pytest.fixture
def proxy(front: tuple[Proxy, PostgresServer]) -> Proxy:
    return front[0]


@pytest.fixture
async def store(front: tuple[Proxy, PostgresServer]) -> AsyncIterator[Store]:
    """The store of a daemon, which retries without end."""
    async with open_store(front[1], math.inf) as opened:
        yield opened


@pytest.fixture
async def command(front: tuple[Proxy, PostgresServer]) -> AsyncIterator[Store]:
    """The store of a command, which does not retry."""
    async with open_store(front[1]) as opened:
        yield opened


async def save(store: Store, number: int = 1) -> None:
    await store.orders.save(Verdict(order=an_order(number), transitions=(a_move(task_id=number),)))


async def test_claims_return_to_their_caller(store: Store, proxy: Proxy) -> None:
    await want(store, *(a_delivery(f"s{n}") for n in range(3)))
    first = await store.deliveries.claim(NOW, ["main"])
    assert first is not None
    proxy.cuts = 1
    second = await store.deliveries.claim(NOW, ["main"])
    assert second is not None
    proxy.cuts = 1
    third = await store.deliveries.claim_more(first, NOW, [first.attachment], 9)
    assert [one.scene_id for one in (first, second, *third)] == ["s0", "s1", "s2"]
    assert {one.fence for one in (first, second, *third)} == {1}
    assert await store.deliveries.claim(NOW, ["main"]) is None


async def test_a_claimed_shift_is_held(store: Store, proxy: Proxy) -> None:
    proxy.cuts = 1
    assert await store.shifts.claim("ordering", "me", LEASE, NOW) == 1
    assert await store.shifts.claim("ordering", "other", LEASE, NOW) is None


async def test_an_intent_is_written_once_and_takes_one_place_of_the_budget(
    store: Store, proxy: Proxy
) -> None:
    budget = Budget(max_per_day=1, max_total=1)
    proxy.cuts = 1
    intent = await store.intents.add(an_intent(standing_order=True), NOW, budget)
    assert intent is not None
    assert await store.intents.list_all() == [intent]
    proxy.cuts = 1
    after = replace(intent, sends=2)
    await store.intents.update(intent, after)
    assert await store.intents.list_all() == [after]


async def test_what_was_sent_leaves_the_outbox(store: Store, proxy: Proxy, database: PostgresServer) -> None:
    store.outbox.subscribe([ALL])
    await save(store, 1)
    await save(store, 2)
    first, second = await store.outbox.batch("all", 9)
    proxy.cuts = 1
    await store.outbox.mark_sent("all", [first])
    assert await store.outbox.batch("all", 9) == [second]
    assert facts(database, "SELECT count(*) FROM notes") == [(1,)]


@pytest.mark.parametrize("cuts", [2, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 4))])
async def test_units_of_one_shared_commit_each_have_their_result_once(
    store: Store, proxy: Proxy, database: PostgresServer, cuts: int
) -> None:
    await want(store, *(a_delivery(f"s{n}", task_id=9) for n in range(3)))
    before_all = facts(database, MOVES)[0][0]
    stale = await held(store, 9)
    await store.orders.save(Verdict(order=stale))
    proxy.cuts = cuts
    saved = [save(store, number) for number in range(1, 4)]
    claims = [store.deliveries.claim(NOW, ["main"]) for _ in range(3)]
    failing = store.orders.save(Verdict(order=stale))
    error, *done = await asyncio.gather(failing, *claims, *saved, return_exceptions=True)
    assert isinstance(error, StaleOrderError)
    claimed = [one.scene_id for one in done[:3] if one is not None and not isinstance(one, BaseException)]
    assert sorted(claimed) == ["s0", "s1", "s2"]
    assert done[3:] == [None, None, None]
    assert facts(database, MOVES) == [(before_all + 6,)]
    assert apart(facts(database, "SELECT order_id FROM orders"))


async def test_a_command_is_answered_although_it_does_not_retry(
    command: Store, proxy: Proxy, database: PostgresServer
) -> None:
    proxy.cuts = 1
    await save(command)
    assert facts(database, MOVES) == [(1,)]


async def test_a_command_reports_that_the_outcome_is_unknown_when_the_server_stays_away(
    command: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_MIN_OUTCOME_SECONDS", 0.2)
    await save(command, 1)
    proxy.cuts, proxy.is_away_after_cut = 1, True
    with pytest.raises(BusyError, match="it is unknown whether the change was written"):
        await save(command, 2)
    with pytest.raises(BusyError) as later:
        await save(command, 3)
    assert "unknown" not in str(later.value)


async def test_a_server_that_took_over_without_the_transaction_gets_it_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, proxy: Proxy, database: PostgresServer
) -> None:
    """Its counter of transactions may be behind; PostgreSQL refuses such a number as of the future."""
    ahead = text("SELECT '999999' FROM pg_advisory_xact_lock(:turn)")
    monkeypatch.setattr(engine, "_TAKE_TURN", ahead)
    proxy.drops = 1
    await save(store)
    assert facts(database, MOVES) == [(1,)]


async def test_a_unit_that_failed_is_not_taken_for_a_lost_one(command: Store) -> None:
    def fail(db: Connection) -> None:
        db.execute(text("INSERT INTO trees VALUES ('a', 'b')"))
        raise StaleOrderError("late")

    database: Database = command.database
    for _ in range(2):
        with pytest.raises(StaleOrderError):
            await database.write(fail)
    assert await database.scalar(text("SELECT count(*) FROM trees")) == 0


@pytest.mark.parametrize("lost", [(1, 0), (0, 1), pytest.param((1, 2), marks=pytest.mark.long)])
async def test_a_saved_order_is_written_once_whether_commit_or_its_answer_is_lost(
    store: Store, proxy: Proxy, database: PostgresServer, events: LogCapture, lost: tuple[int, int]
) -> None:
    rung: list[int] = []
    store.outbox.subscribe([ALL], lambda: rung.append(1))
    proxy.cuts, proxy.drops = lost
    await save(store)
    assert facts(database, MOVES) == [(1,)]
    assert await pending(store) == ["order.changed"]
    assert rung == [1]
    assert [e["event"] for e in events.entries] == ["database.busy", "database.free"]
