"""Reading: a consistent snapshot, beside a running daemon or inside it."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from orderwatch.cancellation import unit
from orderwatch.core.attention.concern import Evidence
from orderwatch.core.model import (
    Delivery,
    DeliveryState,
    Order,
    OrderState,
    Subject,
    Transition,
)
from orderwatch.core.notifications.problems import Problem
from orderwatch.core.ordering.intent import Intent, IntentState
from orderwatch.core.orders.latency_report import CaptureRow, ChangeRow, OrderRow, ReportBuilder, StoredRow
from orderwatch.core.orders.watches import OrderTraits
from orderwatch.core.statistics import MetricCounts, Summary
from orderwatch.db import attention
from orderwatch.db.census import census, largest_parked
from orderwatch.db.complaint import translated
from orderwatch.db.engine import close, reader_engine
from orderwatch.db.glance import PROBLEMS, foremost, glance
from orderwatch.db.intents import intent_of
from orderwatch.db.listing import loaded
from orderwatch.db.mappers import delivery_of, transition_of, trouble_of
from orderwatch.db.patience import Patience, reading
from orderwatch.db.tables import accounts, captures, deliveries, intents, orders, transitions, trees
from orderwatch.db.unlisted import unlisted
from orderwatch.ports import AccountState, Unlisted

_PART = 1_000  # rows that are read at once where there are many
RETRIED = (DeliveryState.WAITING, DeliveryState.PARKED)


class Reader:
    """Everything that can be asked of the database without changing it."""

    def __init__(self, engine: AsyncEngine, patience: Patience | None = None) -> None:
        self._reading = engine
        self.patience = patience or Patience()
        self.turn = asyncio.Lock()  # to write

    @reading
    async def order(self, account: str, task_id: int) -> Order | None:
        found = await self._orders(and_(orders.c.account == account, orders.c.task_id == task_id))
        return found[0] if found else None

    @reading
    async def orders(self, task_id: int | None = None) -> Sequence[Order]:
        """Every order, or those with this id in any account, with captures and deliveries."""
        return await self._orders(orders.c.task_id == task_id if task_id is not None else None)

    @reading
    async def orders_of(self, account: str, task_ids: Collection[int]) -> dict[int, Order]:
        """Those of these orders of the account that are known."""
        found = await self._orders(and_(orders.c.account == account, orders.c.task_id.in_(task_ids)))
        return {order.task_id: order for order in found}

    @reading
    async def watchable(
        self, account: str, due_by: datetime | None, beyond: datetime | None = None
    ) -> Sequence[OrderTraits]:
        """Orders of the account whose next look has come, soonest first; without a time, all not done.

        A look planned later than `beyond` was planned by a wrong clock, and has come too.
        """
        query = select(
            orders.c.task_id,
            orders.c.project_name,
            orders.c.task_name,
            orders.c.placed_at,
            orders.c.word,
            orders.c.ours,
        ).where(
            orders.c.account == account,
            orders.c.state != OrderState.DONE if due_by is None else _is_due(due_by, beyond),
        )
        async with self._snapshot() as db:
            rows = await db.execute(query.order_by(orders.c.next_look_at))
            return [OrderTraits(*row) for row in rows]

    @reading
    async def has_ours(self, account: str) -> bool:
        """Whether orders placed from here are open."""
        query = select(orders.c.id).where(
            orders.c.account == account, orders.c.ours, orders.c.state == OrderState.OPEN
        )
        async with self._snapshot() as db:
            return await db.scalar(query.limit(1)) is not None

    @reading
    async def knows_orders(self) -> bool:
        async with self._snapshot() as db:
            return await db.scalar(select(orders.c.id).limit(1)) is not None

    @reading
    async def unknown(self, account: str, task_ids: Collection[int]) -> Collection[int]:
        """Those of these ids that no order of the account has."""
        query = select(orders.c.task_id).where(orders.c.account == account, orders.c.task_id.in_(task_ids))
        async with self._snapshot() as db:
            return set(task_ids) - set((await db.execute(query)).scalars())

    @reading
    async def accounts(self) -> dict[str, AccountState]:
        """What is known of each account that was ever asked."""
        async with self._snapshot() as db:
            rows = (await db.execute(select(accounts))).mappings()
            return {
                row["account"]: AccountState(listed_at=row["listed_at"], trouble=trouble_of(row))
                for row in rows
            }

    @reading
    async def intents(self, account: str | None = None, *, unsettled: bool = False) -> Sequence[Intent]:
        """What was ever meant to be ordered, oldest first; or only what nobody knows the end of."""
        query = select(intents).order_by(intents.c.number)
        if account is not None:
            query = query.where(intents.c.account == account)
        if unsettled:
            query = query.where(intents.c.state.in_([state for state in IntentState if state.open]))
        async with self._snapshot() as db:
            return [intent_of(row) for row in (await db.execute(query)).mappings()]

    @reading
    async def problems(self) -> Mapping[str, Problem]:
        """What has not ended, by its key; what began first comes first."""
        async with self._snapshot() as db:
            rows = (await db.execute(PROBLEMS)).mappings()
            return {row["key"]: Problem(**row) for row in rows}

    @reading
    async def attention(self, now: datetime) -> Evidence:
        """Return everything recorded that may need a person."""
        async with self._snapshot() as db:
            return await attention.evidence(db, now)

    @reading
    async def volume(self, root: str) -> str | None:
        """What the marker of the tree at this root said when it was first used."""
        query = select(trees.c.volume).where(trees.c.root == root)
        async with self._snapshot() as db:
            found: str | None = await db.scalar(query)
            return found

    @reading
    async def lags(self, newest: int) -> Sequence[tuple[str | None, timedelta]]:
        """From taken to published, by product, of the captures that were published under our eyes."""
        came = and_(
            transitions.c.account == orders.c.account,
            transitions.c.task_id == orders.c.task_id,
            transitions.c.capture_id == captures.c.capture_id,
            transitions.c.subject == Subject.CAPTURE,
            transitions.c.at < captures.c.published_at,  # seen before, so we know when it came
        )
        query = (
            select(orders.c.product, captures.c.start, captures.c.published_at)
            .join_from(captures, orders)
            .where(captures.c.start.is_not(None), select(transitions.c.id).where(came).exists())
            .order_by(captures.c.published_at.desc())
            .limit(newest)
        )
        async with self._snapshot() as db:
            return [(product, end - start) for product, start, end in await db.execute(query)]

    @reading
    async def history(self, task_id: int, account: str | None = None) -> Sequence[Transition]:
        """Every recorded move of the order, or of those of this id in any account, oldest first."""
        query = select(transitions).where(transitions.c.task_id == task_id).order_by(transitions.c.id)
        if account is not None:
            query = query.where(transitions.c.account == account)
        async with self._snapshot() as db:
            return [transition_of(row) for row in (await db.execute(query)).mappings()]

    @reading
    async def moves_after(self, number: int) -> Sequence[tuple[int, Transition]]:
        """Moves of any order recorded after the one of this number, numbered, oldest first."""
        query = select(transitions).where(transitions.c.id > number).order_by(transitions.c.id)
        async with self._snapshot() as db:
            return [(row["id"], transition_of(row)) for row in (await db.execute(query)).mappings()]

    @reading
    async def deliveries(self, *states: DeliveryState, account: str | None = None) -> Sequence[Delivery]:
        """Deliveries in these states, oldest first."""
        query = select(deliveries).where(deliveries.c.state.in_(states)).order_by(deliveries.c.id)
        if account is not None:
            query = query.where(deliveries.c.account == account)
        async with self._snapshot() as db:
            return [delivery_of(row) for row in (await db.execute(query)).mappings()]

    @reading
    async def glance(self, most: int, moves: int) -> Summary:
        """What there is to see, however much is known: at most so many orders, and so many moves."""
        async with self._snapshot() as db:
            seen, (rows, places) = await glance(db, moves), await foremost(db, most)
        found = await self._orders(orders.c.id.in_(rows))
        return replace(seen, orders=sorted(found, key=lambda o: places[o.account, o.task_id]))

    @reading
    async def unlisted(self, root: str | None) -> Sequence[Unlisted]:
        """Scenes with files below this root that their items lack, or have too much."""
        async with self._snapshot() as db:
            return await unlisted(db, root)

    @unit
    async def census(self) -> MetricCounts:
        """How many there are of what; a fraction of a second where there are many."""
        async with self._snapshot() as db:
            return await census(db)

    @unit
    async def largest_parked(self) -> Mapping[str | None, int]:
        """By root how many bytes the largest of its parked deliveries still lacks."""
        async with self._snapshot() as db:
            return await largest_parked(db)

    @unit
    async def enter(self, ledger: ReportBuilder) -> None:
        """All that the ledger is made of, as of one moment and in small parts; no document is loaded."""
        of_orders = select(*(orders.c[name] for name in OrderRow._fields))
        of_moves = select(*(transitions.c[name] for name in ChangeRow._fields)).order_by(transitions.c.id)
        whose = (orders.c.account, orders.c.task_id)
        taken = (captures.c.capture_id, captures.c.phase, captures.c.start, captures.c.published_at)
        of_captures = select(*whose, *taken).join_from(captures, orders)
        its_capture = and_(
            captures.c.order_id == deliveries.c.order_id, captures.c.capture_id == deliveries.c.capture_id
        )
        stored = (deliveries.c.version, captures.c.published_at, deliveries.c.stored_at)
        of_stored = select(deliveries.c.account, deliveries.c.task_id, *stored)
        of_stored = of_stored.outerjoin_from(deliveries, captures, its_capture)
        of_stored = of_stored.where(deliveries.c.stored_at.is_not(None))
        async with self._snapshot() as db:
            async for row in streamed(db, of_orders):
                ledger.order(OrderRow(*row))
            async for row in streamed(db, of_moves):
                ledger.move(ChangeRow(*row))
            async for row in streamed(db, of_captures):
                ledger.capture(CaptureRow(*row))
            async for row in streamed(db, of_stored):
                ledger.stored(StoredRow(*row))

    async def _orders(self, where: ColumnElement[bool] | None) -> list[Order]:
        async with self._snapshot() as db:
            return await loaded(db, where)

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[AsyncConnection]:
        with translated("the database cannot be read"):
            async with self._reading.begin() as db:
                yield db


def _is_due(by: datetime, beyond: datetime | None) -> ColumnElement[bool]:
    due = orders.c.next_look_at <= by
    return due if beyond is None else or_(due, orders.c.next_look_at > beyond)


@asynccontextmanager
async def open_reader(database: Path) -> AsyncIterator[Reader]:
    engine = reader_engine(database)
    try:
        yield Reader(engine)
    finally:
        await close(engine)


async def streamed(db: AsyncConnection, query: Select[*tuple[Any, ...]]) -> AsyncIterator[Sequence[Any]]:
    async with db.stream(query) as result:
        async for rows in result.partitions(_PART):
            for row in rows:
                yield row
