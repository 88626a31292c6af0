"""The one door through which the database is changed: state, history and todo in one transaction."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, and_, false, func, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.deliveries.hosts import Way
from orderwatch.core.deliveries.state_machine import DeliveryUpdate
from orderwatch.core.model import Delivery, DeliveryState, OrderState
from orderwatch.core.ordering.intent import Budget, Intent
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.observe import Verdict
from orderwatch.db import intents, writes
from orderwatch.db.engine import BUSY, BUSY_PATIENT, close, reader_engine, writer_engine
from orderwatch.db.mappers import delivery_of, trouble_row
from orderwatch.db.patience import Patience, reading, writing
from orderwatch.db.post import Post
from orderwatch.db.reader import RETRIED
from orderwatch.db.tables import deliveries, orders, trees
from orderwatch.db.turn import next_of

_FEW = 10  # orders that may vanish from a list together without making it doubtful


class Store(Post):
    """Reads like a reader; every writing call is one transaction of its own."""

    @reading
    async def versions(self, delivery: Delivery) -> Sequence[Delivery]:
        """Every version of the same attachment, this one too."""
        query = select(deliveries).where(writes.of_attachment(delivery)).order_by(deliveries.c.version)
        async with self._snapshot() as db:
            return [delivery_of(row) for row in (await db.execute(query)).mappings()]

    @writing
    async def apply(self, verdict: Verdict) -> None:
        """Write the order as it now is with its moves; `StaleOrderError` if it was written meanwhile."""
        async with self._telling() as (db, outbox):
            await outbox.verdict(verdict)
            await writes.apply(db, verdict)

    @writing
    async def intend(self, intent: Intent, now: datetime, budget: Budget | None = None) -> Intent | None:
        """Write down what is about to be ordered, with its number; None where that exceeds the budget.

        `LockedError` where the same is under way.
        """
        async with self._transaction() as db:
            if budget is not None and await intents.exceeds(db, budget, now):
                return None
            return await intents.add(db, intent)

    @writing
    async def keep(self, before: Intent, after: Intent) -> None:
        """How far an intent came; `LockedError` if another process wrote it meanwhile."""
        async with self._transaction() as db:
            await intents.change(db, before, after)

    @writing
    async def settle(self, before: Intent, after: Intent, verdict: Verdict) -> None:
        """An intent with the order that became of it, in one transaction; errors as of both."""
        async with self._telling() as (db, outbox):
            if before.number:
                await intents.change(db, before, after)
            else:
                await intents.add(db, after)
            await outbox.verdict(verdict)
            await writes.apply(db, verdict)

    @writing
    async def apply_all(self, verdicts: Collection[Verdict]) -> None:
        """All or none of them, in one transaction; `StaleOrderError` as above."""
        async with self._telling() as (db, outbox):
            for verdict in verdicts:
                await outbox.verdict(verdict)
            await writes.apply_all(db, verdicts)

    @writing
    async def restore(self, verdicts: Collection[Verdict]) -> None:
        """Write orders that no row knows yet, their deliveries with the places they have, all or none.

        Nobody is told: all of it happened before.
        """
        async with self._transaction() as db:
            await writes.restore(db, verdicts)

    @writing
    async def swept(self, account: str, now: datetime, listed: Collection[int]) -> Collection[int]:
        """A whole list showed these orders; returns those now lacking.

        They become due to be looked at, unless so many lack that the list is doubtful.
        """
        of_account = orders.c.account == account
        async with self._transaction() as db:
            known = select(orders.c.task_id, orders.c.listed).where(of_account)
            rows = (await db.execute(known)).all()
            before = {task_id for task_id, shown in rows if shown}
            gone = before - set(listed)
            back = {task_id for task_id, shown in rows if not shown} & set(listed)
            await writes.set_orders(db, of_account, back, {"listed": True})
            await writes.set_orders(db, of_account, gone, {"listed": False})
            if len(gone) <= max(_FEW, len(before) - len(gone)):  # else the list itself is not to be believed
                open_ones = and_(of_account, orders.c.state != OrderState.DONE)
                await writes.set_orders(db, open_ones, gone, {"next_look_at": now})
            await writes.save_account(db, account, {"listed_at": now})
        return gone

    @writing
    async def troubled(self, account: str, trouble: OpenCircuit | None) -> None:
        """Keep the account's trouble over restarts; None where it is over."""
        async with self._transaction() as db:
            await writes.save_account(db, account, trouble_row(trouble))

    @writing
    async def bring_forward(self, now: datetime, by: timedelta) -> None:
        """The clock was set back by so much, to `now`: what is planned later comes so much sooner by it."""
        async with self._transaction() as db:
            await writes.bring_forward(db, now, by)

    @writing
    async def record(self, move: DeliveryUpdate) -> None:
        """Write one delivery; with a transition only from the state that the transition leaves."""
        async with self._telling() as (db, outbox):
            await outbox.delivery(move)
            await writes.record(db, move)

    @writing
    async def checkpoint(self, delivery: Delivery, durable: int) -> None:
        """So many bytes of the partial survive a power cut; `delivery` says of which file."""
        told = {
            "durable": durable,
            "furthest": delivery.furthest,
            "total": delivery.total,
            "validator": delivery.validator,
        }
        async with self._transaction() as db:
            await db.execute(update(deliveries).where(writes.row_of(delivery)).values(told))

    @writing
    async def reserve(self, delivery: Delivery, path: str | None, root: str | None = None) -> bool:
        """Take a path for the delivery, or give its path back; False where another delivery has it."""
        try:
            async with self._transaction() as db:
                held = update(deliveries).where(writes.row_of(delivery))
                await db.execute(held.values(writes.place_row(path, root)))
        except IntegrityError:
            return False
        return True

    @writing
    async def remember_volume(self, root: str, volume: str) -> None:
        """From now on this volume is expected at the root."""
        async with self._transaction() as db:
            await db.execute(insert(trees).values(root=root, volume=volume))

    @writing
    async def claim(
        self,
        now: datetime,
        accounts: Collection[str],
        beyond: datetime | None = None,
        rooms: Mapping[str | None, int | None] | None = None,
        *,
        resting: Collection[Way] = (),
        doubted: Collection[Way] = (),
    ) -> Delivery | None:
        """Take the delivery whose turn it is of those that may be fetched now, and mark it as being fetched.

        A pause that ends later than `beyond` was set by a wrong clock, and is over. What is parked must fit:
        `rooms` are the bytes that may be written below each root, None where nothing may. Nothing is taken
        whose host rests. From a doubted one, whichever was tried least goes before all others.
        """
        fetchable = and_(
            deliveries.c.account.in_(accounts), _may_be_fetched(now, beyond), ~_comes_by(resting)
        )
        candidates = and_(fetchable, _fits(rooms or {}))
        by_turns = _comes_by(doubted) if doubted else None
        async with self._transaction() as db:
            row = (await db.execute(next_of(candidates, by_turns))).mappings().first()
            if row is None:
                return None
            move = machine.claimed(delivery_of(row), now)
            await writes.record(db, move)
        return move.delivery

    @writing
    async def writable(self) -> None:
        """Return when a transaction could be written; `DatabaseError` where none can."""
        async with self._transaction():
            pass


@asynccontextmanager
async def open_store(database: Path, patience: float = 0.0) -> AsyncIterator[Store]:
    """The store over a database at head. The writer is closed last: it alone checkpoints.

    What a busy database refuses is tried again for so many seconds, for ever with `math.inf`.
    """
    busy = BUSY if not patience else BUSY_PATIENT
    readers, writer = reader_engine(database, busy), writer_engine(database, busy)
    try:
        yield Store(readers, writer, Patience(patience))
    finally:
        await close(readers, writer)


def _may_be_fetched(now: datetime, beyond: datetime | None) -> ColumnElement[bool]:
    over = deliveries.c.not_before <= now
    if beyond is not None:
        over = or_(over, deliveries.c.not_before > beyond)
    return or_(deliveries.c.state == DeliveryState.WANTED, and_(deliveries.c.state.in_(RETRIED), over))


def _comes_by(ways: Collection[Way]) -> ColumnElement[bool]:
    """Its last link led to one of these hosts."""
    host = func.coalesce(deliveries.c.host, "")
    each = [and_(deliveries.c.account == way.account, host == way.host) for way in ways]
    return or_(*each) if each else false()


def _fits(rooms: Mapping[str | None, int | None]) -> ColumnElement[bool]:
    """Or is not parked, or lies below a root that nobody asks for any more."""
    lacking = func.coalesce(deliveries.c.total - deliveries.c.durable, 1)
    full = [
        and_(deliveries.c.root.is_(root), true() if room is None else lacking > room)
        for root, room in rooms.items()
    ]
    return or_(deliveries.c.state != DeliveryState.PARKED, ~or_(*full)) if full else true()
