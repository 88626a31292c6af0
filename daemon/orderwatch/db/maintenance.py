"""Work on the rows themselves: pruning, scrub marks, clock steps, and merging what the trees hold."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, String, Table, and_, delete, func, insert, or_, select, type_coerce, update

from orderwatch.core.deliveries.rebuild import under
from orderwatch.core.model import SETTLED, Delivery, DeliveryState, OrderState
from orderwatch.core.orders.observe import Verdict
from orderwatch.db import history
from orderwatch.db.database import Database
from orderwatch.db.deliveries import IS_ROW, key_of, path_row
from orderwatch.db.engines.upserts import upsert
from orderwatch.db.mappers import Row, capture_row, delivery_of, delivery_row, order_row, transition_row
from orderwatch.db.tables import captures, deliveries, orders, transitions

_STORED_TIME = "%Y-%m-%d %H:%M:%f000"  # as `UtcDateTime` columns hold it


class Maintenance:
    """`ports.Maintenance` over SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prune(self, before: datetime, limit: int) -> int:
        recorded = and_(
            transitions.c.account == orders.c.account, transitions.c.order_id == orders.c.order_id
        )
        is_unpruned = or_(
            type_coerce(orders.c.document, String) != "{}", select(transitions.c.id).where(recorded).exists()
        )
        query = select(orders.c.id, orders.c.account, orders.c.order_id).where(
            orders.c.state == OrderState.DONE, orders.c.final_at < before, is_unpruned
        )

        def work(db: Connection) -> int:
            rows = (db.execute(query.limit(limit))).all()
            for _, account, order_id in rows:
                of_order = and_(transitions.c.account == account, transitions.c.order_id == order_id)
                db.execute(delete(transitions).where(of_order))
            pruned = update(orders).where(orders.c.id.in_([row.id for row in rows]))
            db.execute(pruned.values(document={}))
            return len(rows)

        return await self._database.write(work)

    async def least_recently_read(
        self, roots: Collection[str | None], before: datetime, limit: int
    ) -> Sequence[Delivery]:
        read_at = func.coalesce(deliveries.c.read_at, deliveries.c.stored_at)
        query = select(deliveries).where(
            deliveries.c.state.in_(SETTLED),
            deliveries.c.path.is_not(None),
            or_(*(deliveries.c.root.is_not_distinct_from(root) for root in roots)),
            read_at < before,
        )
        rows = await self._database.rows(query.order_by(read_at, deliveries.c.id).limit(limit))
        return [delivery_of(row) for row in rows]

    async def bytes_read_since(self, since: datetime) -> int:
        query = select(func.coalesce(func.sum(deliveries.c.size), 0)).where(deliveries.c.read_at >= since)
        return int(await self._database.scalar(query) or 0)

    async def mark_read(self, delivery: Delivery, at: datetime) -> None:
        here = update(deliveries).where(IS_ROW, deliveries.c.stored_at == delivery.stored_at)
        await self._database.write(lambda db: db.execute(here, {**key_of(delivery), "read_at": at}))

    async def shift_schedule(self, now: datetime, by: timedelta) -> None:
        statements = []
        for scheduled in (orders.c.next_look_at, deliveries.c.not_before):
            sooner = func.strftime(_STORED_TIME, scheduled, f"-{by.total_seconds():.3f} seconds")
            statements.append(update(scheduled.table).where(scheduled > now).values({scheduled.name: sooner}))
        await self._database.execute(*statements)

    async def restore(self, verdicts: Collection[Verdict]) -> None:
        await self._database.write(lambda db: _restore(db, verdicts))

    async def merge(self, verdicts: Collection[Verdict], now: datetime) -> Collection[Delivery]:
        def work(db: Connection) -> list[Delivery]:
            not_done = update(orders).where(orders.c.state != OrderState.DONE)
            db.execute(not_done.values(next_look_at=now))
            return [delivery for verdict in verdicts for delivery in _merge(db, verdict)]

        return await self._database.write(work)


def _restore(db: Connection, verdicts: Collection[Verdict]) -> None:
    """By few statements: a tree may hold the files of thousands of orders."""
    _insert(db, orders, [{**order_row(v.order), "version": 1} for v in verdicts])
    rows = db.execute(select(orders.c.account, orders.c.order_id, orders.c.id))
    ids = {(account, order_id): order_row for account, order_id, order_row in rows}
    found = [(ids[v.order.account, v.order.order_id], v.order) for v in verdicts]
    _insert(db, captures, [capture_row(order_row, c) for order_row, order in found for c in order.captures])
    _insert(
        db,
        deliveries,
        [{**_stored_row(d), "order_row": order_row} for order_row, order in found for d in order.deliveries],
    )
    _insert(db, transitions, [transition_row(each) for v in verdicts for each in v.transitions])


def _insert(db: Connection, table: Table, rows: Sequence[Row]) -> None:
    if rows:
        db.execute(insert(table), rows)


def _merge(db: Connection, verdict: Verdict) -> list[Delivery]:
    """Add what the sidecars hold of an order; return the deliveries that were new to the rows."""
    order = verdict.order
    is_it = or_(
        orders.c.order_id == order.order_id,
        and_(orders.c.task_id == order.task_id, orders.c.task_id.is_not(None)),
    )
    here = select(orders.c.id, orders.c.order_id).where(orders.c.account == order.account, is_it)
    known = db.execute(here.order_by(orders.c.order_id != order.order_id)).first()
    if known is None:
        _restore(db, [verdict])
        return list(order.deliveries)
    order_row, order_id = known
    verdict = under(verdict, order_id)
    order = verdict.order
    new = [delivery for delivery in order.deliveries if _merge_file(db, order_row, delivery)]
    if new:
        statement = upsert(captures).on_conflict_do_nothing()
        db.execute(statement, [capture_row(order_row, capture) for capture in order.captures])
        scenes = {(d.capture_id, d.scene_id) for d in new}
        history.append(db, [t for t in verdict.transitions if (t.capture_id, t.scene_id) in scenes])
        due = {"next_look_at": order.next_look_at, "state": order.state, "version": orders.c.version + 1}
        db.execute(update(orders).where(orders.c.id == order_row).values(due))
    return new


def _merge_file(db: Connection, order_row: int, found: Delivery) -> bool:
    """Return whether the file was new; a row with its file stays, unless a newer version supersedes it."""
    row, key = _stored_row(found), key_of(found)
    taken = and_(deliveries.c.path_key == row["path_key"], ~IS_ROW)
    if db.scalar(select(deliveries.c.id).where(taken), key) is not None:
        released = update(deliveries).where(taken, deliveries.c.stored_at.is_(None))
        db.execute(released, {**key, **path_row(None, None)})
        if db.scalar(select(deliveries.c.id).where(taken), key) is not None:
            return False
    here = update(deliveries).where(IS_ROW)
    known = db.execute(select(deliveries.c.state, deliveries.c.stored_at).where(IS_ROW), key).one_or_none()
    state, stored_at = known or (None, None)
    if state is None:
        db.execute(insert(deliveries).values(**row, order_row=order_row))
    elif stored_at is None and state != DeliveryState.SUPERSEDED:
        db.execute(here, {**key, **row, "item": None})
    elif state == DeliveryState.STORED and found.state is DeliveryState.SUPERSEDED:
        db.execute(here, {**key, "state": found.state, "reason": found.reason, "item": None})
        return False
    else:
        return False
    return True


def _stored_row(delivery: Delivery) -> Row:
    return {**delivery_row(delivery), **path_row(delivery.path, delivery.root)}
