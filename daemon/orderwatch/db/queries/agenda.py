"""The orders of a period, by the times of their windows and captures."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Column, ColumnElement, Connection, and_, bindparam, func, or_, select

from orderwatch.core.model import Capture, Order
from orderwatch.core.orders.timeline import shifted
from orderwatch.db.database import Database
from orderwatch.db.mappers import capture_of, order_of
from orderwatch.db.tables import captures, orders
from orderwatch.ports.agenda import Period

_MAX_LAG = timedelta(days=30)  # from a capture to its publication

_ORDERS = select(*(column for column in orders.c if column is not orders.c.document))
_ORDERS = _ORDERS.where(orders.c.id.in_(bindparam("rows", expanding=True)))
_UNREAD = {"document": {}, "listed": False}
_CAPTURES = (
    select(captures)
    .where(captures.c.order_row.in_(bindparam("rows", expanding=True)))
    .order_by(captures.c.id)
)


class Agenda:
    """`ports.agenda.Agenda` over both engines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self, period: Period, limit: int) -> Sequence[int]:
        query = select(orders.c.id).where(_matches(period))
        query = query.order_by(orders.c.end.desc().nulls_last(), orders.c.id).limit(limit)
        return [row["id"] for row in await self._database.rows(query)]

    async def in_rows(self, rows: Sequence[int]) -> Sequence[Order]:
        return await self._database.read(lambda db: _load(db, rows))


def _load(db: Connection, rows: Sequence[int]) -> list[Order]:
    """Return orders without documents and deliveries, which cost more to read than all the rest."""
    its_captures: defaultdict[int, list[Capture]] = defaultdict(list)
    for row in db.execute(_CAPTURES, {"rows": rows}).mappings():
        its_captures[row["order_row"]].append(capture_of(row))
    found = {row["id"]: row for row in db.execute(_ORDERS, {"rows": rows}).mappings()}
    return [order_of({**found[row], **_UNREAD}, tuple(its_captures[row]), ()) for row in rows if row in found]


def _matches(period: Period) -> ColumnElement[bool]:
    named = {orders.c.account: period.account, orders.c.project_name: period.project}
    filters = [column == value for column, value in named.items() if value is not None]
    of_captures = select(captures.c.order_row).where(
        or_(
            and_(captures.c.start >= shifted(period.since, -_MAX_LAG), captures.c.start < period.until),
            _is_within(captures.c.published_at, period),
        )
    )
    return and_(or_(_has_window(period), orders.c.id.in_(of_captures)), *filters)


def _has_window(period: Period) -> ColumnElement[bool]:
    if not period.throughout:
        return or_(_is_within(orders.c.start, period), _is_within(orders.c.end, period))
    begin, end = func.coalesce(orders.c.start, orders.c.end), func.coalesce(orders.c.end, orders.c.start)
    return and_(begin < period.until, end >= period.since)


def _is_within(time: Column[object], period: Period) -> ColumnElement[bool]:
    return and_(time >= period.since, time < period.until)
