"""How values become rows: statements within a transaction that the store has begun."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Insert, Table, Update, and_, bindparam, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import IntegrityError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncConnection

from orderwatch.core.deliveries.paths import place_key
from orderwatch.core.deliveries.state_machine import DeliveryUpdate
from orderwatch.core.model import Capture, Delivery, DeliveryState, Order, Transition
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.column_types import UtcDateTime
from orderwatch.db.mappers import Row, capture_row, delivery_row, order_row, transition_row
from orderwatch.db.tables import accounts, captures, deliveries, orders, transitions
from orderwatch.errors import StaleOrderError
from orderwatch.ports import SceneRead

_WITHIN = ("capture_id", "scene_id", "attachment", "version")  # an order
_LONGEST_TURN = timedelta(seconds=10)
_MOMENT = "%Y-%m-%d %H:%M:%f000"  # as times are stored
_MOST_VARIABLES = 10_000  # of one statement; SQLite takes 32,766


async def apply_all(db: AsyncConnection, verdicts: Collection[Verdict]) -> None:
    await _add(db, [v for v in verdicts if _is_bare(v)])
    for verdict in verdicts:
        if not _is_bare(verdict):
            await apply(db, verdict)


async def apply(db: AsyncConnection, verdict: Verdict) -> None:
    order_id = await _save_order(db, verdict.order)
    await _save_captures(db, order_id, verdict.order.captures)
    for wanted in verdict.wanted:
        await _want(db, order_id, wanted)
    await remember(db, verdict.transitions)


async def record(db: AsyncConnection, move: DeliveryUpdate) -> None:
    held = row_of(move.delivery)
    if move.transition is not None:
        held = and_(held, deliveries.c.state == move.transition.before)
    done = await db.execute(update(deliveries).where(held).values(_changed(move.delivery)))
    if done.rowcount != 1:
        raise StaleOrderError(f"delivery {move.delivery.scene_id} was written meanwhile")
    if move.transition is not None:
        await remember(db, [move.transition])
        await _touch(db, move.delivery)


async def bring_forward(db: AsyncConnection, now: datetime, by: timedelta) -> None:
    for planned in (orders.c.next_look_at, deliveries.c.not_before):
        sooner = func.strftime(_MOMENT, planned, f"-{by.total_seconds():.3f} seconds")
        await db.execute(update(planned.table).where(planned > now).values({planned.name: sooner}))


async def restore(db: AsyncConnection, verdicts: Collection[Verdict]) -> None:
    """By few statements: a tree may hold the files of thousands of orders."""
    await _insert(db, orders, [{**order_row(v.order), "version": 1} for v in verdicts])
    rows = await db.execute(select(orders.c.account, orders.c.task_id, orders.c.id))
    ids = {(account, task_id): order_id for account, task_id, order_id in rows}
    found = [(ids[v.order.account, v.order.task_id], v.order) for v in verdicts]
    await _insert(db, captures, [capture_row(number, c) for number, order in found for c in order.captures])
    placed = [
        {**delivery_row(d), **place_row(d.path, d.root), "order_id": number}
        for number, order in found
        for d in order.deliveries
    ]
    await _insert(db, deliveries, placed)
    await _insert(db, transitions, [transition_row(move) for v in verdicts for move in v.transitions])


async def take_up(db: AsyncConnection, verdict: Verdict) -> list[Delivery]:
    """What the tree tells of an order where the rows know less; returns the deliveries new to them."""
    order = verdict.order
    here = and_(orders.c.account == order.account, orders.c.task_id == order.task_id)
    order_id = await db.scalar(select(orders.c.id).where(here))
    if order_id is None:
        await restore(db, [verdict])
        return list(order.deliveries)
    new = [d for d in order.deliveries if await _take_up_file(db, order_id, d)]
    if new:
        statement = upsert(captures).on_conflict_do_nothing()
        await db.execute(statement, [capture_row(order_id, capture) for capture in order.captures])
        scenes = {(d.capture_id, d.scene_id) for d in new}
        moves = [m for m in verdict.transitions if (m.capture_id, m.scene_id) in scenes]
        await remember(db, moves)
        due = update(orders).where(orders.c.id == order_id)
        again = {"next_look_at": order.next_look_at, "state": order.state, "version": orders.c.version + 1}
        await db.execute(due.values(again))
    return new


async def _take_up_file(db: AsyncConnection, order_id: int, found: Delivery) -> bool:
    """A row that has its file already stays as it is, but that a newer version may follow it."""
    row = {**delivery_row(found), **place_row(found.path, found.root)}
    taken = and_(deliveries.c.path_key == row["path_key"], ~row_of(found))
    if await db.scalar(select(deliveries.c.id).where(taken)) is not None:
        await db.execute(
            update(deliveries).where(taken, deliveries.c.stored_at.is_(None)).values(place_row(None, None))
        )
        if await db.scalar(select(deliveries.c.id).where(taken)) is not None:
            return False
    state, stored_at = (
        await db.execute(select(deliveries.c.state, deliveries.c.stored_at).where(row_of(found)))
    ).one_or_none() or (None, None)
    if state is None:
        await db.execute(insert(deliveries).values(**row, order_id=order_id))
    elif stored_at is None and state != DeliveryState.SUPERSEDED:
        await db.execute(update(deliveries).where(row_of(found)).values({**row, "item": None}))
    elif state == DeliveryState.STORED and found.state is DeliveryState.SUPERSEDED:
        told = {"state": found.state, "reason": found.reason, "item": None}
        await db.execute(update(deliveries).where(row_of(found)).values(told))
        return False
    else:
        return False
    return True


async def list_in(db: AsyncConnection, items: Mapping[str, SceneRead]) -> None:
    """By few statements, since there may be thousands."""
    of_order = and_(
        orders.c.account == bindparam("of_account"),
        orders.c.task_id == bindparam("of_task"),
        orders.c.version == bindparam("of_order_version"),
    )
    here = and_(
        deliveries.c.order_id == select(orders.c.id).where(of_order).scalar_subquery(),
        *(deliveries.c[name] == bindparam(f"of_{name}") for name in _WITHIN),
        deliveries.c.state == bindparam("of_state"),
        deliveries.c.stored_at.is_not_distinct_from(bindparam("of_stored_at", type_=UtcDateTime)),
    )
    rows = [
        {
            "of_account": held.account,
            "of_task": held.task_id,
            "of_order_version": scene.order_version,
            **{f"of_{name}": getattr(held, name) for name in _WITHIN},
            "of_state": held.state,
            "of_stored_at": held.stored_at,
            "in_item": item if held.stored_at else None,
        }
        for item, scene in items.items()
        for held in scene.deliveries
    ]
    if rows:
        await db.execute(update(deliveries).where(here).values(item=bindparam("in_item")), rows)


def _changed(delivery: Delivery) -> Row:
    """What is stored is listed anew; what no longer is, its item still has to lose."""
    row = delivery_row(delivery)
    return row if delivery.stored_at is None else {**row, "item": None}


def place_row(path: str | None, root: str | None) -> Row:
    return {"path": path, "path_key": None if path is None else place_key(path, root), "root": root}


async def _insert(db: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    if rows:
        await db.execute(insert(table), rows)


async def set_orders(
    db: AsyncConnection, of_account: ColumnElement[bool], task_ids: Collection[int], values: Row
) -> None:
    ids = sorted(task_ids)
    for start in range(0, len(ids), _MOST_VARIABLES):
        some = orders.c.task_id.in_(ids[start : start + _MOST_VARIABLES])
        await db.execute(update(orders).where(of_account, some).values(values))


async def save_account(db: AsyncConnection, account: str, values: Row) -> None:
    statement = upsert(accounts).values(account=account, **values)
    await db.execute(statement.on_conflict_do_update(index_elements=["account"], set_=values))


def _is_bare(verdict: Verdict) -> bool:
    """An order that was never recorded, and of which nothing but itself is known."""
    order = verdict.order
    return order.version == 0 and not order.captures and not verdict.wanted


async def _add(db: AsyncConnection, verdicts: Collection[Verdict]) -> None:
    """Many new orders by few statements: an account may have thousands at first sight."""
    if not verdicts:
        return
    try:
        await db.execute(insert(orders), [{**order_row(v.order), "version": 1} for v in verdicts])
    except IntegrityError as error:
        raise StaleOrderError("an order was recorded meanwhile") from error
    await _insert(db, transitions, [transition_row(move) for v in verdicts for move in v.transitions])


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
    renewed = update(deliveries).where(row_of(delivery)).values(**row, root=None, path=None, path_key=None)
    if (await db.execute(renewed)).rowcount == 0:
        await db.execute(insert(deliveries).values(**row, order_id=order_id))


async def remember(db: AsyncConnection, moves: Collection[Transition]) -> None:
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


def row_of(delivery: Delivery) -> ColumnElement[bool]:
    return and_(of_attachment(delivery), deliveries.c.version == delivery.version)


def of_attachment(delivery: Delivery) -> ColumnElement[bool]:
    """Every version; found by way of the order, which is what the index of the deliveries begins with."""
    return and_(
        deliveries.c.order_id == select(orders.c.id).where(_order_of(delivery)).scalar_subquery(),
        deliveries.c.capture_id == delivery.capture_id,
        deliveries.c.scene_id == delivery.scene_id,
        deliveries.c.attachment == delivery.attachment,
    )
