"""The one door through which the database is changed: state, history and todo in one transaction."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, Insert, Update, and_, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import IntegrityError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from orderwatch.core import delivery as machine
from orderwatch.core.breaker import Trouble
from orderwatch.core.delivery import Move
from orderwatch.core.layout import collision_key
from orderwatch.core.machine import Verdict
from orderwatch.core.model import Capture, Delivery, DeliveryState, Order, OrderState, Transition
from orderwatch.db.complaint import translated
from orderwatch.db.reader import RETRIED, Reader
from orderwatch.db.rows import (
    Row,
    capture_row,
    delivery_of,
    delivery_row,
    order_row,
    transition_row,
    trouble_row,
)
from orderwatch.db.sqlite import close, reader_engine, writer_engine
from orderwatch.db.tables import accounts, captures, deliveries, orders, transitions
from orderwatch.errors import StaleOrderError
from orderwatch.shield import unit

_LONGEST_TURN = timedelta(seconds=10)
_FEW = 10  # orders that may vanish from a list together without making it doubtful
_MOST_VARIABLES = 10_000  # of one statement; SQLite takes 32,766


class Store(Reader):
    """Reads like a reader; every writing call is one transaction of its own."""

    def __init__(self, reading: AsyncEngine, writing: AsyncEngine) -> None:
        super().__init__(reading)
        self._writing = writing
        self._turn = asyncio.Lock()

    @unit
    async def apply(self, verdict: Verdict) -> None:
        """Write the order as it now is with its moves; `StaleOrderError` if it was written meanwhile."""
        async with self._transaction() as db:
            await _apply(db, verdict)

    @unit
    async def apply_all(self, verdicts: Collection[Verdict]) -> None:
        """All or none of them, in one transaction; `StaleOrderError` as above."""
        async with self._transaction() as db:
            await _apply_first([v for v in verdicts if _is_bare(v)], db)
            for verdict in verdicts:
                if not _is_bare(verdict):
                    await _apply(db, verdict)

    @unit
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
            await _set_orders(db, of_account, back, {"listed": True})
            await _set_orders(db, of_account, gone, {"listed": False})
            if len(gone) <= max(_FEW, len(before) - len(gone)):  # else the list itself is not to be believed
                open_ones = and_(of_account, orders.c.state != OrderState.DONE)
                await _set_orders(db, open_ones, gone, {"next_look_at": now})
            await _save_account(db, account, {"listed_at": now})
        return gone

    @unit
    async def troubled(self, account: str, trouble: Trouble | None) -> None:
        """Keep the account's trouble over restarts; None where it is over."""
        async with self._transaction() as db:
            await _save_account(db, account, trouble_row(trouble))

    @unit
    async def record(self, move: Move) -> None:
        """Write one delivery; with a transition only from the state that the transition leaves."""
        async with self._transaction() as db:
            await _record(db, move)

    @unit
    async def checkpoint(self, delivery: Delivery, durable: int) -> None:
        """So many bytes of the partial survive a power cut."""
        async with self._transaction() as db:
            await db.execute(update(deliveries).where(_row_of(delivery)).values(durable=durable))

    @unit
    async def reserve(self, delivery: Delivery, path: str | None, root: str | None = None) -> bool:
        """Take a path for the delivery, or give its path back; False where another delivery has it."""
        key = None if path is None else collision_key(path if root is None else f"{root}\0{path}")
        place = {"path": path, "path_key": key, "root": root}
        try:
            async with self._transaction() as db:
                await db.execute(update(deliveries).where(_row_of(delivery)).values(place))
        except IntegrityError:
            return False
        return True

    @unit
    async def claim(
        self, now: datetime, accounts: Collection[str], beyond: datetime | None = None
    ) -> Delivery | None:
        """Take the oldest delivery that may be fetched now and mark it as being fetched.

        A pause that ends later than `beyond` was set by a wrong clock, and is over.
        """
        fetchable = and_(deliveries.c.account.in_(accounts), _may_be_fetched(now, beyond))
        oldest = select(deliveries).where(fetchable).order_by(deliveries.c.id).limit(1)
        async with self._transaction() as db:
            row = (await db.execute(oldest)).mappings().first()
            if row is None:
                return None
            move = machine.claimed(delivery_of(row), now)
            await _record(db, move)
        return move.delivery

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        with translated("the database cannot be written"):
            async with self._turn, self._writing.begin() as db:
                yield db


@asynccontextmanager
async def open_store(database: Path) -> AsyncIterator[Store]:
    """The store over a database at head. The writer is closed last: it alone checkpoints."""
    reading, writing = reader_engine(database), writer_engine(database)
    try:
        yield Store(reading, writing)
    finally:
        await close(reading, writing)


def _is_bare(verdict: Verdict) -> bool:
    """An order that was never recorded, and of which nothing but itself is known."""
    order = verdict.order
    return order.version == 0 and not order.captures and not verdict.wanted


async def _apply_first(verdicts: Collection[Verdict], db: AsyncConnection) -> None:
    """Many new orders by few statements: an account may have thousands at first sight."""
    if not verdicts:
        return
    try:
        await db.execute(insert(orders), [{**order_row(v.order), "version": 1} for v in verdicts])
    except IntegrityError as error:
        raise StaleOrderError("an order was recorded meanwhile") from error
    moves = [transition_row(move) for v in verdicts for move in v.transitions]
    if moves:
        await db.execute(insert(transitions), moves)


async def _apply(db: AsyncConnection, verdict: Verdict) -> None:
    order_id = await _save_order(db, verdict.order)
    await _save_captures(db, order_id, verdict.order.captures)
    for wanted in verdict.wanted:
        await _want(db, order_id, wanted)
    await _remember(db, verdict.transitions)


async def _set_orders(
    db: AsyncConnection, of_account: ColumnElement[bool], task_ids: Collection[int], values: Row
) -> None:
    ids = sorted(task_ids)
    for start in range(0, len(ids), _MOST_VARIABLES):
        some = orders.c.task_id.in_(ids[start : start + _MOST_VARIABLES])
        await db.execute(update(orders).where(of_account, some).values(values))


async def _save_account(db: AsyncConnection, account: str, values: Row) -> None:
    statement = upsert(accounts).values(account=account, **values)
    await db.execute(statement.on_conflict_do_update(index_elements=["account"], set_=values))


async def _save_order(db: AsyncConnection, order: Order) -> int:
    row = {**order_row(order), "version": order.version + 1}
    if order.version == 0:
        try:
            return await _id_of(db, insert(orders).values(row))
        except IntegrityError as error:
            raise StaleOrderError(f"order {order.task_id} was recorded meanwhile") from error
    here = and_(
        orders.c.account == order.account,
        orders.c.task_id == order.task_id,
        orders.c.version == order.version,
    )
    try:
        return await _id_of(db, update(orders).where(here).values(row))
    except NoResultFound as error:
        raise StaleOrderError(f"order {order.task_id} was written meanwhile") from error


async def _id_of(db: AsyncConnection, statement: Insert | Update) -> int:
    order_id: int = (await db.execute(statement.returning(orders.c.id))).scalar_one()
    return order_id


async def _save_captures(db: AsyncConnection, order_id: int, seen: Collection[Capture]) -> None:
    if not seen:
        return
    rows = [capture_row(order_id, capture) for capture in seen]
    statement = upsert(captures)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in ("order_id", "capture_id")}
    keys = ["order_id", "capture_id"]
    await db.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)


async def _want(db: AsyncConnection, order_id: int, delivery: Delivery) -> None:
    row = delivery_row(delivery)
    renewed = update(deliveries).where(_row_of(delivery)).values(**row, root=None, path=None, path_key=None)
    if (await db.execute(renewed)).rowcount == 0:
        await db.execute(insert(deliveries).values(**row, order_id=order_id))


async def _record(db: AsyncConnection, move: Move) -> None:
    held = _row_of(move.delivery)
    if move.transition is not None:
        held = and_(held, deliveries.c.state == move.transition.before)
    done = await db.execute(update(deliveries).where(held).values(delivery_row(move.delivery)))
    if done.rowcount != 1:
        raise StaleOrderError(f"delivery {move.delivery.scene_id} was written meanwhile")
    if move.transition is not None:
        await _remember(db, [move.transition])
        await _touch(db, move.delivery)


async def _remember(db: AsyncConnection, moves: Collection[Transition]) -> None:
    """Append the moves of one order, oldest first although each was timed before it had its turn to write."""
    if not moves:
        return
    rows = [transition_row(move) for move in moves]
    of_order = and_(transitions.c.account == rows[0]["account"], transitions.c.task_id == rows[0]["task_id"])
    newest = select(transitions.c.at).where(of_order).order_by(transitions.c.id.desc()).limit(1)
    last: datetime | None = await db.scalar(newest)
    for row in rows:
        # Further back than that no writer waited: the clock was set, and the history shows it as it was.
        if last is not None and timedelta(0) < last - row["at"] <= _LONGEST_TURN:
            row["at"] = last
    await db.execute(insert(transitions), rows)


async def _touch(db: AsyncConnection, delivery: Delivery) -> None:
    """A delivery's move makes every older reading of its order stale."""
    await db.execute(update(orders).where(_order_of(delivery)).values(version=orders.c.version + 1))


def _order_of(delivery: Delivery) -> ColumnElement[bool]:
    return and_(orders.c.account == delivery.account, orders.c.task_id == delivery.task_id)


def _row_of(delivery: Delivery) -> ColumnElement[bool]:
    """Found by way of the order, which is what the index of the deliveries begins with."""
    return and_(
        deliveries.c.order_id == select(orders.c.id).where(_order_of(delivery)).scalar_subquery(),
        deliveries.c.capture_id == delivery.capture_id,
        deliveries.c.scene_id == delivery.scene_id,
        deliveries.c.attachment == delivery.attachment,
        deliveries.c.version == delivery.version,
    )


def _may_be_fetched(now: datetime, beyond: datetime | None) -> ColumnElement[bool]:
    over = deliveries.c.not_before <= now
    if beyond is not None:
        over = or_(over, deliveries.c.not_before > beyond)
    return or_(deliveries.c.state == DeliveryState.WANTED, and_(deliveries.c.state.in_(RETRIED), over))
