"""Units of work that wait at the same time share one transaction, and keep their own ends."""

import asyncio
import math
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError
from tests.db.kit import NOW, a_delivery, an_order, facts, held, want

from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import Store, open_store
from orderwatch.db.tables import orders
from orderwatch.errors import BusyError, DatabaseError, StaleOrderError

pytestmark = pytest.mark.sqlite  # its thread is looked into

_INSERT = text("INSERT INTO trees (root, volume) VALUES (:root, 'x')")


def a_tree(root: str) -> Callable[[Connection], str]:
    def work(db: Connection) -> str:
        db.execute(_INSERT, {"root": root})
        return root

    return work


def trees(database: Path) -> list[str]:
    return [root for (root,) in facts(database, "SELECT root FROM trees ORDER BY root")]


class Ends:
    """Counts the transactions of the writer; a commit of one that `refuse` names fails."""

    def __init__(self, store: Store) -> None:
        assert store.database._writer is not None
        self.commits = self.rollbacks = 0
        self.refuse: Callable[[], bool] = lambda: False
        engine = store.database._writer._engine
        event.listen(engine, "commit", self._on_commit)
        event.listen(engine, "rollback", self._on_rollback)

    def _on_commit(self, _: Connection) -> None:
        if self.refuse():
            raise OperationalError("COMMIT", {}, sqlite3.OperationalError("disk I/O error"))
        self.commits += 1

    def _on_rollback(self, _: Connection) -> None:
        self.rollbacks += 1


@asynccontextmanager
async def occupied(store: Store) -> AsyncIterator[None]:
    """Somebody writes, so that all others wait, until the body ends."""
    has_begun, may_end = threading.Event(), threading.Event()

    def work(_: Connection) -> None:
        has_begun.set()
        may_end.wait()

    writing = asyncio.create_task(store.database.write(work))
    await asyncio.to_thread(has_begun.wait)
    try:
        yield
    finally:
        may_end.set()
        await writing


async def begun(*calls: Coroutine[Any, Any, Any]) -> list["asyncio.Task[Any]"]:
    tasks = [asyncio.create_task(call) for call in calls]
    await asyncio.sleep(0)
    return tasks


@contextmanager
def locked(database: Path) -> Iterator[None]:
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


async def test_what_waits_is_written_in_one_transaction_and_what_comes_alone_does_not_wait(
    store: Store, database: Path
) -> None:
    ends = Ends(store)
    assert await store.database.write(a_tree("alone")) == "alone"
    assert ends.commits == 1
    async with occupied(store):
        writing = await begun(*(store.database.write(a_tree(str(n))) for n in range(20)))
    assert await asyncio.gather(*writing) == [str(n) for n in range(20)]
    assert ends.commits == 3
    assert len(trees(database)) == 21


async def test_a_caller_goes_on_only_after_the_commit(store: Store, database: Path) -> None:
    async with occupied(store):
        writing = await begun(*(store.database.write(a_tree(str(n))) for n in range(3)))
    await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
    assert trees(database) == ["0", "1", "2"]


async def test_one_of_three_that_fails_has_its_own_error_and_the_others_are_written(
    store: Store, database: Path
) -> None:
    await store.database.write(a_tree("taken"))

    def stale(db: Connection) -> None:
        db.execute(_INSERT, {"root": "of the stale one"})
        raise StaleOrderError("late")

    commits: list[str] = []
    async with occupied(store):
        works = {"a": a_tree("a"), "stale": stale, "taken": a_tree("taken"), "b": a_tree("b")}
        writing = await begun(
            *(store.database.write(work, partial(commits.append, name)) for name, work in works.items())
        )
    found = await asyncio.gather(*writing, return_exceptions=True)
    assert found[0] == "a"
    assert found[3] == "b"
    assert isinstance(found[1], StaleOrderError)
    assert isinstance(found[2], IntegrityError)
    assert trees(database) == ["a", "b", "taken"]
    assert commits == ["a", "b"]


class Crash(BaseException):
    """The process ends here."""


async def test_even_what_is_no_error_reaches_its_own_caller(store: Store, database: Path) -> None:
    def crash(_: Connection) -> None:
        raise Crash

    async def call() -> bool:
        try:
            await store.database.write(crash)
        except Crash:
            return True
        return False

    async with occupied(store):
        crashing, writing = await begun(call(), store.database.write(a_tree("a")))
    assert (await crashing, await writing) == (True, "a")
    assert trees(database) == ["a"]


async def test_a_unit_sees_what_earlier_units_of_its_transaction_wrote(store: Store) -> None:
    """Two that decided on the same reading of an order: the second is stale, as ever."""
    await store.orders.save(Verdict(order=an_order()))
    order = await held(store)
    async with occupied(store):
        writing = await begun(*(store.orders.save(Verdict(order=order)) for _ in range(2)))
    first, second = await asyncio.gather(*writing, return_exceptions=True)
    assert first is None
    assert isinstance(second, StaleOrderError)
    assert (await held(store)).version == order.version + 1


async def test_claims_that_wait_together_take_different_deliveries(store: Store) -> None:
    await want(store, *(a_delivery(f"s{n}") for n in range(3)))
    ends = Ends(store)
    async with occupied(store):
        claiming = await begun(*(store.deliveries.claim(NOW, ["main"]) for _ in range(4)))
    claimed = await asyncio.gather(*claiming)
    assert [d and d.scene_id for d in claimed] == ["s0", "s1", "s2", None]
    assert ends.commits == 2


async def test_a_commit_that_fails_is_an_error_of_all(store: Store, database: Path) -> None:
    ends = Ends(store)
    async with occupied(store):
        writing = await begun(*(store.database.write(a_tree(str(n))) for n in range(3)))
        ends.refuse = lambda: ends.commits > 0
    found = await asyncio.gather(*writing, return_exceptions=True)
    assert {type(error) for error in found} == {DatabaseError}
    assert "disk I/O error" in str(found[0])
    assert trees(database) == []
    ends.refuse = lambda: False
    await store.database.write(a_tree("later"))
    assert trees(database) == ["later"]


async def test_who_is_cancelled_while_waiting_has_written_nothing_and_who_is_not_has(
    store: Store, database: Path
) -> None:
    async with occupied(store):
        first, cancelled, last = await begun(*(store.database.write(a_tree(name)) for name in "abc"))
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert not first.done()
    await asyncio.gather(first, last)
    assert trees(database) == ["a", "c"]


async def test_who_is_cancelled_while_it_is_written_waits_for_the_commit(
    store: Store, database: Path
) -> None:
    has_begun, may_end = threading.Event(), threading.Event()

    def work(db: Connection) -> None:
        has_begun.set()
        may_end.wait()
        db.execute(_INSERT, {"root": "written"})

    commits: list[None] = []
    [writing] = await begun(store.database.write(work, on_commit=lambda: commits.append(None)))
    await asyncio.to_thread(has_begun.wait)
    writing.cancel()
    await asyncio.sleep(0)
    assert not writing.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert trees(database) == ["written"]
    assert commits == [None]


@pytest.mark.parametrize("retry_seconds", [0.0, math.inf])
async def test_a_busy_file_is_an_error_of_each_or_waited_for_by_each(
    database: Path, monkeypatch: pytest.MonkeyPatch, retry_seconds: float
) -> None:
    for name in ("BUSY_TIMEOUT_SECONDS", "RETRIED_BUSY_TIMEOUT_SECONDS", "_MIN_RETRY_SECONDS"):
        monkeypatch.setattr(f"orderwatch.db.database.{name}", 0.01)
    async with open_store(database, retry_seconds) as store:
        await store.database.write(a_tree("before"))
        with locked(database):
            writing = await begun(*(store.database.write(a_tree(name)) for name in "abc"))
            if not retry_seconds:
                found = await asyncio.gather(*writing, return_exceptions=True)
                assert [type(error) for error in found] == [BusyError] * 3
                return
            while store.database.trouble is None:
                await asyncio.sleep(0.001)
        assert await asyncio.gather(*writing) == ["a", "b", "c"]
        assert trees(database) == ["a", "b", "before", "c"]


async def test_a_unit_that_is_run_again_with_fewer_others_changes_nothing_twice(store: Store) -> None:
    await store.orders.save(Verdict(order=an_order()))

    def one_more(db: Connection) -> None:
        count = db.scalar(select(orders.c.doubts))
        assert count is not None
        db.execute(update(orders).values(doubts=count + 1))

    def failing(_: Connection) -> None:
        raise ValueError("a bug")

    async with occupied(store):
        works = [one_more, failing, one_more, failing, one_more]
        writing = await begun(*(store.database.write(work) for work in works))
    found = await asyncio.gather(*writing, return_exceptions=True)
    assert [isinstance(end, ValueError) for end in found] == [False, True, False, True, False]
    assert (await held(store)).status.doubts == 3


async def test_what_waits_when_the_database_is_closed_ends_with_an_error(database: Path) -> None:
    async with open_store(database) as store:
        async with occupied(store):
            [waiting] = await begun(store.database.write(a_tree("late")))
            closing = asyncio.create_task(store.database.close())
            await asyncio.sleep(0)
        await closing
        with pytest.raises(DatabaseError, match="closed"):
            await store.database.write(a_tree("later"))
        await asyncio.wait([waiting])
    assert (waiting.exception() is None) == (trees(database) == ["late"])
