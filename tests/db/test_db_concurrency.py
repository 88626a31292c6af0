"""Many at once, and cancelled at any moment: no update is lost, no lock is left."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update
from tests.db.kit import NOW, a_delivery, a_move, an_order, apart, facts, held, want, write_from_elsewhere

from orderwatch.core.deliveries.state_machine import released
from orderwatch.core.model import DeliveryState
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import Store, open_reader, open_store
from orderwatch.db.tables import orders
from orderwatch.errors import StaleOrderError


async def count_up(store: Store, times: int) -> None:
    """Read and write one more, as one unit each time."""

    def one_more(db: Connection) -> None:
        count = db.scalar(select(orders.c.doubts))
        assert count is not None
        db.execute(update(orders).values(doubts=count + 1))

    for _ in range(times):
        await store.database.write(one_more)


async def add_a_move(store: Store) -> None:
    """Read, decide, save; again if another was quicker."""
    while True:
        order = await held(store)
        document = {"count": int(str(order.document.get("count", 0))) + 1}
        verdict = Verdict(order=replace(order, document=document), transitions=(a_move(str(document)),))
        try:
            return await store.orders.save(verdict)
        except StaleOrderError:
            continue


async def test_twenty_tasks_that_read_and_write_in_one_transaction_lose_no_update(store: Store) -> None:
    await store.orders.save(Verdict(order=an_order()))
    await asyncio.gather(*(count_up(store, 15) for _ in range(20)))
    assert (await held(store)).status.doubts == 300


async def test_two_stores_on_one_file_lose_no_update_either(store: Store, database: Path) -> None:
    """A command that writes beside the daemon waits for its turn."""
    await store.orders.save(Verdict(order=an_order()))
    async with open_store(database) as other:
        await asyncio.gather(*(count_up(s, 25) for s in (store, other) for _ in range(3)))
    assert (await held(store)).status.doubts == 150


async def test_tasks_that_save_what_they_decided_on_a_reading_lose_no_update(
    store: Store, database: Path
) -> None:
    await store.orders.save(Verdict(order=an_order()))

    async def add(one: Store) -> None:
        for _ in range(5):
            await add_a_move(one)

    async with open_store(database) as other:
        await asyncio.gather(add(store), add(store), add(other), add(other))
    order = await held(store)
    assert (order.document, order.version) == ({"count": 20}, 21)
    assert [move.after for move in await store.history.of_order("1")] == [
        str({"count": n + 1}) for n in range(20)
    ]


class Fuzz:
    """Calls of every kind, about half of them cancelled at any moment; remembers what was acknowledged."""

    def __init__(self, store: Store, reader: Store, seed: int, numbers: Iterator[int]) -> None:
        self._store = store
        self._reader = reader
        self._chance = random.Random(seed)
        self._numbers = numbers  # of all of them, so that what is written later is more
        self._task_ids = itertools.count(100_000 * (seed + 1))
        self.applied: list[int] = []
        self.durable = 0
        self.claimed: list[str] = []
        self.cancelled = 0

    async def rounds(self, count: int) -> None:
        for _ in range(count):
            await self._maybe_cancelled(self._chance.choice(self._calls()))

    def _calls(self) -> list[Callable[[], Awaitable[object]]]:
        return [
            self._apply,
            self._apply,
            self._apply_late,
            self._checkpoint,
            self._claim,
            self._reserve,
            lambda: self._store.accounts.mark_listed("main", NOW, ["1"]),
            lambda: self._store.accounts.save_circuit("main", None),
            self._store.orders.list_all,
            lambda: self._reader.history.of_order("1"),
            lambda: self._reader.deliveries.in_states(DeliveryState.WANTED),
        ]

    async def _maybe_cancelled(self, call: Callable[[], Awaitable[object]]) -> None:
        async def run() -> None:
            await call()

        caller = asyncio.create_task(run())
        if self._chance.random() < 0.6:
            if self._chance.random() < 0.5:
                for _ in range(self._chance.randrange(40)):
                    await asyncio.sleep(0)
            else:
                await asyncio.sleep(self._chance.random() * 0.004)
            for _ in range(self._chance.choice((1, 1, 2))):
                caller.cancel()
                await asyncio.sleep(0)
        try:
            await caller
        except asyncio.CancelledError:
            self.cancelled += 1

    async def _apply(self) -> None:
        task_id = next(self._task_ids)
        move = a_move(task_id=task_id)
        wanted = (a_delivery(f"of {task_id}", task_id),)
        await self._store.orders.save(Verdict(order=an_order(task_id), transitions=(move,), wanted=wanted))
        self.applied.append(task_id)

    async def _apply_late(self) -> None:
        """Fails inside its transaction."""
        with contextlib.suppress(StaleOrderError):
            await self._store.orders.save(Verdict(order=an_order(1), transitions=(a_move("never"),)))

    async def _checkpoint(self) -> None:
        wanted = next(self._numbers)
        await self._store.deliveries.checkpoint(a_delivery("steady", state=DeliveryState.GIVEN_UP), wanted)
        self.durable = wanted

    async def _claim(self) -> None:
        taken = await self._store.deliveries.claim(NOW, ["main"])
        if taken is not None:
            self.claimed.append(taken.scene_id)

    async def _reserve(self) -> None:
        await self._store.deliveries.reserve(
            a_delivery("steady"), self._chance.choice((None, "x.zip", "y.zip"))
        )


@pytest.mark.sqlite
async def test_calls_cancelled_at_any_moment_leave_no_lock_and_lose_nothing_acknowledged(
    store: Store, database: Path
) -> None:
    await want(store, a_delivery("steady", state=DeliveryState.GIVEN_UP))
    async with open_reader(database) as reader:
        numbers = itertools.count(1)
        crew = [Fuzz(store, reader, seed, numbers) for seed in range(4)]
        await asyncio.gather(*(fuzz.rounds(50) for fuzz in crew))
        assert sum(fuzz.cancelled for fuzz in crew) > 50
        # At once, without a timeout: cancelled callers waited, so nothing is under way any more.
        assert write_from_elsewhere(database) == "written"
        await store.orders.save(Verdict(order=an_order(2)))
    found = {order.task_id: order for order in await store.orders.list_all()}
    assert {task_id for fuzz in crew for task_id in fuzz.applied} <= found.keys()
    for task_id in found.keys() - {1, 2}:
        assert [d.scene_id for d in found[task_id].deliveries] == [f"of {task_id}"]
        assert (await store.history.of_order(str(task_id)))[0] == a_move(task_id=task_id)
    assert [move.after for move in await store.history.of_order("1")] == ["x"]
    assert found[1].deliveries[0].durable >= max(fuzz.durable for fuzz in crew) > 0
    claimed = [scene for fuzz in crew for scene in fuzz.claimed]
    assert apart(claimed)
    assert set(claimed) <= {d.scene_id for d in await store.deliveries.in_states(DeliveryState.FETCHING)}
    assert facts(database, "PRAGMA integrity_check") == [("ok",)]


async def test_a_cancelled_write_may_have_committed_and_then_it_committed_whole(store: Store) -> None:
    for task_id in range(1, 60, 2):
        move, wanted = a_move(task_id=task_id), a_delivery(task_id=task_id)
        verdict = Verdict(order=an_order(task_id), transitions=(move,), wanted=(wanted,))
        writing = asyncio.create_task(store.orders.save(verdict))
        for _ in range(task_id):
            await asyncio.sleep(0)
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
        order = await store.orders.get("main", str(task_id))
        history = await store.history.of_order(str(task_id))
        assert (order is None, history) in ((True, []), (False, [move]))
        assert order is None or order.deliveries == (wanted,)


async def test_a_claim_cancelled_at_any_moment_can_be_freed_again(store: Store) -> None:
    """If the cancelled claim was committed, the row shows it, and recovery finds it."""
    (delivery,) = await want(store, a_delivery())
    for ticks in range(0, 40, 2):
        claiming = asyncio.create_task(store.deliveries.claim(NOW, ["main"]))
        for _ in range(ticks):
            await asyncio.sleep(0)
        claiming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await claiming
        for claimed in await store.deliveries.in_states(DeliveryState.FETCHING):
            await store.deliveries.save(released(claimed, NOW))
        [freed] = await store.deliveries.in_states(DeliveryState.WANTED)
        assert replace(freed, fence=0) == replace(delivery, reason=None)
