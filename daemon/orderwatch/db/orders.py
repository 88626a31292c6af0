"""The orders with their captures and deliveries: reading them whole, and writing what a poll changed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Insert,
    and_,
    bindparam,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, NoResultFound

from orderwatch.core.model import Capture, Delivery, Order, OrderKey, OrderState
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.watches import OrderTraits
from orderwatch.db import history
from orderwatch.db.database import Database
from orderwatch.db.deliveries import OF_ORDER, key_of, queue
from orderwatch.db.engines.upserts import upsert, upsert_rows
from orderwatch.db.mappers import (
    Row,
    capture_of,
    capture_row,
    circuit_of,
    circuit_row,
    order_of,
    order_row,
    transition_row,
)
from orderwatch.db.outbox import Notifications, Outbox
from orderwatch.db.queries.loading import ORDERS, load
from orderwatch.db.queries.order_ids import is_named
from orderwatch.db.renaming import rename
from orderwatch.db.tables import accounts, captures, orders, transitions
from orderwatch.errors import StaleOrderError
from orderwatch.ports import AccountState, Detail

_TRAITS = ("order_id", "task_id", "project_name", "task_name", "placed_at", "word", "ours")

_ORDER = ORDERS.where(OF_ORDER)
_NEW = insert(orders).returning(orders.c.id)
_CHANGE = update(orders).where(OF_ORDER, orders.c.version == bindparam("of_version")).returning(orders.c.id)
_CAPTURE = select(captures).join(orders).where(OF_ORDER, captures.c.capture_id == bindparam("of_capture_id"))


class Orders:
    """`ports.Orders` over SQLite."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    async def get(self, account: str, order_id: str, detail: Detail = Detail.ALL) -> Order | None:
        of_order = and_(orders.c.account == account, orders.c.order_id == order_id)
        found = await self._load(of_order, detail)
        return found[0] if found else None

    async def of_delivery(self, delivery: Delivery) -> Order | None:
        key = key_of(delivery)

        def work(db: Connection) -> Order | None:
            row = db.execute(_ORDER, key).mappings().one_or_none()
            its_capture = tuple(map(capture_of, db.execute(_CAPTURE, key).mappings()))
            return order_of(row, its_capture, ()) if row else None

        return await self._database.read_in_turn(work)

    async def get_many(
        self, account: str, order_ids: Collection[str], detail: Detail = Detail.ALL
    ) -> dict[str, Order]:
        chosen = and_(orders.c.account == account, orders.c.order_id.in_(order_ids))
        found = await self._load(chosen, detail)
        return {order.order_id: order for order in found}

    async def list_all(self, name: str | None = None, detail: Detail = Detail.ALL) -> Sequence[Order]:
        return await self._load(None if name is None else is_named(name), detail)

    async def watchable(
        self, account: str, due_by: datetime | None, beyond: datetime | None = None
    ) -> Sequence[OrderTraits]:
        if due_by is None:
            wanted = orders.c.state != OrderState.DONE
        else:
            wanted = orders.c.next_look_at <= due_by
            wanted = wanted if beyond is None else or_(wanted, orders.c.next_look_at > beyond)
        query = select(*(orders.c[name] for name in _TRAITS)).where(orders.c.account == account, wanted)
        rows = await self._database.rows(query.order_by(orders.c.next_look_at))
        return [OrderTraits(*row.values()) for row in rows]

    async def has_any(self) -> bool:
        return await self._database.scalar(select(orders.c.id).limit(1)) is not None

    async def has_ours(self, account: str) -> bool:
        query = select(orders.c.id).where(
            orders.c.account == account, orders.c.ours, orders.c.state == OrderState.OPEN
        )
        return await self._database.scalar(query.limit(1)) is not None

    async def unknown(self, account: str, keys: Collection[OrderKey]) -> Collection[OrderKey]:
        ids = [key.order_id for key in keys]
        query = select(orders.c.order_id).where(orders.c.account == account, orders.c.order_id.in_(ids))
        known = {row["order_id"] for row in await self._database.rows(query)}
        return {key for key in keys if key.order_id not in known}

    async def adopt(self, account: str, keys: Collection[OrderKey]) -> bool:
        tasks = [key.task_id for key in keys if key.task_id is not None]
        query = select(orders.c.order_id, orders.c.task_id).where(
            orders.c.account == account, orders.c.task_id.in_(tasks)
        )
        known = {row["task_id"]: row["order_id"] for row in await self._database.rows(query)} if tasks else {}
        renamed = {
            known[key.task_id]: key.order_id
            for key in keys
            if key.task_id in known and known[key.task_id] != key.order_id
        }
        if renamed:
            await self._database.write(lambda db: rename(db, account, renamed))
        return bool(renamed)

    async def save(self, verdict: Verdict) -> None:
        await self._outbox.write(lambda db, notifications: write(db, notifications, verdict))

    async def save_all(self, verdicts: Collection[Verdict]) -> None:
        def work(db: Connection, notifications: Notifications) -> None:
            for verdict in verdicts:
                notifications.order_changes(verdict)
            _insert_bare(db, [verdict for verdict in verdicts if _is_bare(verdict)])
            for verdict in verdicts:
                if not _is_bare(verdict):
                    _write(db, verdict)

        await self._outbox.write(work)

    async def _load(self, where: ColumnElement[bool] | None, detail: Detail) -> list[Order]:
        return await self._database.read(lambda db: load(db, where, detail=detail))


def write(db: Connection, notifications: Notifications, verdict: Verdict) -> None:
    """Write an order with its notifications, within a transaction; `StaleOrderError` as `Orders.save`."""
    notifications.order_changes(verdict)
    _write(db, verdict)


def _write(db: Connection, verdict: Verdict) -> None:
    order_row = _write_order(db, verdict.order)
    _write_captures(db, order_row, verdict.order.captures)
    queue(db, order_row, verdict.wanted)
    history.append(db, verdict.transitions)


def _write_order(db: Connection, order: Order) -> int:
    row = {**order_row(order), "version": order.version + 1}
    if order.version == 0:
        try:
            return _id_of(db, _NEW, row)
        except IntegrityError as error:
            raise StaleOrderError(f"order {order.order_id} was recorded meanwhile") from error
    key = {"of_account": row.pop("account"), "of_order_id": row.pop("order_id"), "of_version": order.version}
    try:
        return _id_of(db, _CHANGE, {**row, **key})
    except NoResultFound as error:
        raise StaleOrderError(f"order {order.order_id} was written meanwhile") from error


def _id_of(db: Connection, statement: Executable, row: Row) -> int:
    order_row: int = db.execute(statement, row).scalar_one()
    return order_row


def _write_captures(db: Connection, order_row: int, of_order: Collection[Capture]) -> None:
    if not of_order:
        return
    rows = [capture_row(order_row, capture) for capture in of_order]
    db.execute(upsert_rows(captures, tuple(rows[0]), ("order_row", "capture_id")), rows)


def _is_bare(verdict: Verdict) -> bool:
    """Whether the order was never recorded, and nothing but itself is known."""
    order = verdict.order
    return order.version == 0 and not order.captures and not verdict.wanted


def _insert_bare(db: Connection, verdicts: Collection[Verdict]) -> None:
    """Insert many new orders by few statements: an account may have thousands when it is polled first."""
    if not verdicts:
        return
    try:
        db.execute(insert(orders), [{**order_row(v.order), "version": 1} for v in verdicts])
    except IntegrityError as error:
        raise StaleOrderError("an order was recorded meanwhile") from error
    if rows := [transition_row(transition) for v in verdicts for transition in v.transitions]:
        db.execute(insert(transitions), rows)


_MAX_VANISHED = 10  # orders that may vanish from a list together without making it doubtful
_MAX_VARIABLES = 10_000  # of one statement; SQLite takes 32,766


class Accounts:
    """`ports.Accounts` over SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def states(self) -> Mapping[str, AccountState]:
        rows = await self._database.rows(select(accounts))
        return {
            row["account"]: AccountState(row["listed_at"], circuit_of(row), row["swept_at"]) for row in rows
        }

    async def save_circuit(self, account: str, circuit: OpenCircuit | None) -> None:
        await self._database.execute(_save(account, **circuit_row(circuit)))

    async def mark_swept(self, account: str, now: datetime) -> None:
        await self._database.execute(_save(account, swept_at=now))

    async def mark_listed(self, account: str, now: datetime, listed: Collection[str]) -> Collection[str]:
        of_account = orders.c.account == account

        def work(db: Connection) -> Collection[str]:
            rows = db.execute(select(orders.c.order_id, orders.c.listed).where(of_account)).all()
            before = {order_id for order_id, shown in rows if shown}
            vanished = before - set(listed)
            returned = {order_id for order_id, shown in rows if not shown} & set(listed)
            _set_orders(db, of_account, returned, listed=True)
            _set_orders(db, of_account, vanished, listed=False)
            if len(vanished) <= max(_MAX_VANISHED, len(before) - len(vanished)):  # else the list is doubtful
                not_done = and_(of_account, orders.c.state != OrderState.DONE)
                _set_orders(db, not_done, vanished, next_look_at=now)
            db.execute(_save(account, listed_at=now))
            return vanished

        return await self._database.write(work)


def _save(account: str, **values: Any) -> Insert:  # noqa: ANN401 - of any column
    """Return the statement that writes these columns of an account, known or not."""
    statement = upsert(accounts).values(account=account, **values)
    return statement.on_conflict_do_update(index_elements=["account"], set_=values)


def _set_orders(
    db: Connection,
    where: ColumnElement[bool],
    order_ids: Collection[str],
    **values: Any,  # noqa: ANN401 - of any column
) -> None:
    ids = sorted(order_ids)
    for start in range(0, len(ids), _MAX_VARIABLES):
        some = orders.c.order_id.in_(ids[start : start + _MAX_VARIABLES])
        db.execute(update(orders).where(where, some).values(values))
