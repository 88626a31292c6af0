"""Reading: a consistent snapshot, beside a running daemon or inside it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, and_, case, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from orderwatch.core.model import Capture, Delivery, DeliveryState, Order, OrderState, Transition
from orderwatch.db.complaint import translated
from orderwatch.db.rows import capture_of, delivery_of, order_of, transition_of
from orderwatch.db.sqlite import close, reader_engine
from orderwatch.db.tables import captures, deliveries, orders, transitions
from orderwatch.ports import Known
from orderwatch.shield import unit

RETRIED = (DeliveryState.WAITING, DeliveryState.PARKED)


class Reader:
    """Everything that can be asked of the database without changing it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._reading = engine

    @unit
    async def order(self, account: str, task_id: int) -> Order | None:
        found = await self._orders(and_(orders.c.account == account, orders.c.task_id == task_id))
        return found[0] if found else None

    @unit
    async def orders(self, task_id: int | None = None) -> Sequence[Order]:
        """Every order, or those with this id in any account, with captures and deliveries."""
        return await self._orders(orders.c.task_id == task_id if task_id is not None else None)

    @unit
    async def watchable(self, account: str, due_by: datetime | None) -> Sequence[Known]:
        """Orders of the account whose next look has come; without a time, all that are not done."""
        query = select(orders.c.task_id, orders.c.project_name, orders.c.task_name).where(
            orders.c.account == account,
            orders.c.state != OrderState.DONE if due_by is None else orders.c.next_look_at <= due_by,
        )
        async with self._snapshot() as db:
            rows = await db.execute(query.order_by(orders.c.next_look_at))
            return [Known(*row) for row in rows]

    @unit
    async def words(self, account: str) -> dict[int, str]:
        """The last word heard of every order of the account, "lost" where the provider answers 404."""
        heard = case((orders.c.state == OrderState.LOST, "lost"), else_=orders.c.word)
        query = select(orders.c.task_id, heard).where(orders.c.account == account)
        async with self._snapshot() as db:
            return dict((await db.execute(query)).all())

    @unit
    async def history(self, task_id: int) -> Sequence[Transition]:
        """Every recorded move of the order, oldest first."""
        query = select(transitions).where(transitions.c.task_id == task_id).order_by(transitions.c.id)
        async with self._snapshot() as db:
            return [transition_of(row) for row in (await db.execute(query)).mappings()]

    @unit
    async def moves_after(self, number: int) -> Sequence[tuple[int, Transition]]:
        """Moves of any order recorded after the one of this number, numbered, oldest first."""
        query = select(transitions).where(transitions.c.id > number).order_by(transitions.c.id)
        async with self._snapshot() as db:
            return [(row["id"], transition_of(row)) for row in (await db.execute(query)).mappings()]

    @unit
    async def deliveries(self, *states: DeliveryState, account: str | None = None) -> Sequence[Delivery]:
        """Deliveries in these states, oldest first."""
        query = select(deliveries).where(deliveries.c.state.in_(states)).order_by(deliveries.c.id)
        if account is not None:
            query = query.where(deliveries.c.account == account)
        async with self._snapshot() as db:
            return [delivery_of(row) for row in (await db.execute(query)).mappings()]

    async def _orders(self, where: ColumnElement[bool] | None) -> list[Order]:
        chosen = select(orders).order_by(orders.c.account, orders.c.task_id)
        if where is not None:
            chosen = chosen.where(where)
        ids = chosen.with_only_columns(orders.c.id).order_by(None)
        by_order: dict[int, tuple[list[Capture], list[Delivery]]] = {}
        async with self._snapshot() as db:
            rows = (await db.execute(chosen)).mappings().all()
            for row in rows:
                by_order[row["id"]] = ([], [])
            of_captures = select(captures).where(captures.c.order_id.in_(ids)).order_by(captures.c.id)
            for row in (await db.execute(of_captures)).mappings():
                by_order[row["order_id"]][0].append(capture_of(row))
            of_deliveries = select(deliveries).where(deliveries.c.order_id.in_(ids)).order_by(deliveries.c.id)
            for row in (await db.execute(of_deliveries)).mappings():
                by_order[row["order_id"]][1].append(delivery_of(row))
        return [
            order_of(row, tuple(found), tuple(wanted))
            for row in rows
            for found, wanted in [by_order[row["id"]]]
        ]

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[AsyncConnection]:
        with translated("the database cannot be read"):
            async with self._reading.begin() as db:
                yield db


@asynccontextmanager
async def open_reader(database: Path) -> AsyncIterator[Reader]:
    engine = reader_engine(database)
    try:
        yield Reader(engine)
    finally:
        await close(engine)
