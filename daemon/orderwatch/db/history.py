"""The history: every recorded transition of orders, captures and deliveries."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Executable, and_, bindparam, func, insert, or_, select, tuple_

from orderwatch.core.model import DeliveryState, Subject, Transition
from orderwatch.core.orders.listed_files import MAX_LISTED
from orderwatch.core.orders.recent_changes import FoldedMove
from orderwatch.db.database import Database
from orderwatch.db.mappers import delivery_of, transition_of, transition_row
from orderwatch.db.queries.order_ids import is_named
from orderwatch.db.tables import attention, captures, deliveries, orders, transitions
from orderwatch.ports.queries import News

_MAX_WRITER_WAIT = timedelta(seconds=10)
_CONCERNS = select(attention.c.key).where(attention.c.acknowledged_at.is_(None))
_NEWEST_NUMBER = select(func.max(transitions.c.id))
_NEWEST_TIME = (  # of the transitions of an order
    select(transitions.c.at)
    .where(
        transitions.c.account == bindparam("of_account"), transitions.c.order_id == bindparam("of_order_id")
    )
    .order_by(transitions.c.id.desc())
    .limit(1)
)
_INSERT = insert(transitions)
FETCHING = select(deliveries).where(deliveries.c.state == DeliveryState.FETCHING).order_by(deliveries.c.id)

_OF_ORDER = and_(
    transitions.c.account == bindparam("of_account"), transitions.c.order_id == bindparam("of_order_id")
)
_IS_USUAL = and_(  # a step of a file that needs no remark
    transitions.c.file.is_not(None),
    or_(transitions.c.detail.is_(None), transitions.c.detail == transitions.c.file),
)
_STEP = (transitions.c.capture_id, transitions.c.before, transitions.c.after)
_STEPS_OF_MANY = (
    select(*_STEP, func.count().label("number"), func.max(transitions.c.id).label("last"))
    .where(_OF_ORDER, _IS_USUAL)
    .group_by(*_STEP)
    .having(func.count() > MAX_LISTED)
)
_MANY = _STEPS_OF_MANY.subquery()
_IS_OF_MANY = and_(_IS_USUAL, *(column.is_not_distinct_from(_MANY.c[column.name]) for column in _STEP))
_UNFOLDED = (
    select(transitions, _MANY.c.number)
    .outerjoin(_MANY, _IS_OF_MANY)
    .where(_OF_ORDER, or_(_MANY.c.last.is_(None), transitions.c.id == _MANY.c.last))
    .order_by(transitions.c.id)
)

_SEEN_BEFORE = and_(  # a capture before its publication: so we know when it was published
    transitions.c.account == orders.c.account,
    transitions.c.order_id == orders.c.order_id,
    transitions.c.capture_id == captures.c.capture_id,
    transitions.c.subject == Subject.CAPTURE,
    transitions.c.at < captures.c.published_at,
)
_LAGS = (
    select(orders.c.product, captures.c.start, captures.c.published_at)
    .join_from(captures, orders)
    .where(captures.c.start.is_not(None), select(transitions.c.id).where(_SEEN_BEFORE).exists())
    .order_by(captures.c.published_at.desc())
)


class History:
    """`ports.queries.History` over SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_order(self, name: str, account: str | None = None) -> Sequence[Transition]:
        query = select(transitions).order_by(transitions.c.id)
        if account is not None:
            query = query.where(transitions.c.account == account, transitions.c.order_id == name)
        else:
            named = select(orders.c.account, orders.c.order_id).where(is_named(name))
            of_named = tuple_(transitions.c.account, transitions.c.order_id).in_(named)
            query = query.where(or_(transitions.c.order_id == name, of_named))
        return [transition_of(row) for row in await self._database.rows(query)]

    async def folded(self, order_id: str, account: str) -> Sequence[FoldedMove]:
        given = {"of_account": account, "of_order_id": order_id}

        def work(db: Connection) -> list[FoldedMove]:
            rows = db.execute(_UNFOLDED, given).mappings()
            return [FoldedMove(transition_of(row), row["number"] or 1) for row in rows]

        return await self._database.read(work)

    async def moved_at(self, order_id: str, account: str) -> datetime | None:
        found: datetime | None = await self._database.scalar(
            select(func.max(transitions.c.at)).where(
                transitions.c.account == account,
                transitions.c.order_id == order_id,
                transitions.c.subject != Subject.DELIVERY,
            )
        )
        return found

    async def after(self, number: int) -> Sequence[tuple[int, Transition]]:
        return await self._numbered(
            select(transitions).where(transitions.c.id > number).order_by(transitions.c.id)
        )

    async def newest(self, before: int | None, limit: int) -> Sequence[tuple[int, Transition]]:
        query = select(transitions).order_by(transitions.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(transitions.c.id < before)
        return await self._numbered(query)

    async def newest_number(self) -> int:
        return await self._database.scalar(_NEWEST_NUMBER) or 0

    async def news(self, after: int, limit: int, since: datetime) -> News:
        recorded = select(transitions).where(transitions.c.id > after).order_by(transitions.c.id).limit(limit)
        polled = select(orders.c.account, orders.c.order_id).where(orders.c.looked_at > since)

        def work(db: Connection) -> News:
            return News(
                newest=db.scalar(_NEWEST_NUMBER) or 0,
                moves=[(row["id"], transition_of(row)) for row in db.execute(recorded).mappings()],
                touched=[(account, order_id) for account, order_id in db.execute(polled)],
                attention=frozenset(db.execute(_CONCERNS).scalars()),
                fetching=[delivery_of(row) for row in db.execute(FETCHING).mappings()],
            )

        return await self._database.read(work)

    async def publication_lags(self, newest: int) -> Sequence[tuple[str | None, timedelta]]:
        rows = await self._database.rows(_LAGS.limit(newest))
        return [(row["product"], row["published_at"] - row["start"]) for row in rows]

    async def _numbered(self, query: Executable) -> Sequence[tuple[int, Transition]]:
        return [(row["id"], transition_of(row)) for row in await self._database.rows(query)]


def append(db: Connection, new: Collection[Transition]) -> None:
    """Append transitions of one order. Times never go back, although taken before the turn to write."""
    if not new:
        return
    rows = [transition_row(transition) for transition in new]
    of_order = {"of_account": rows[0]["account"], "of_order_id": rows[0]["order_id"]}
    last: datetime | None = db.scalar(_NEWEST_TIME, of_order)
    for row in rows:
        # No writer waits longer than that: the clock was set, and the history shows it as it was.
        if last is not None and timedelta(0) < last - row["at"] <= _MAX_WRITER_WAIT:
            row["at"] = last
    db.execute(_INSERT, rows)
