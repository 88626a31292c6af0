"""Counts and spans over all rows: for the page, `top`, metrics and the latency report."""

from collections.abc import Mapping

from sqlalchemy import Connection, and_, case, func, or_, select

from orderwatch.core.model import UNFINISHED, DeliveryState, OrderState
from orderwatch.core.orders.latency_report import CaptureRow, ChangeRow, OrderRow, ReportBuilder, StoredRow
from orderwatch.core.statistics import Counts, MetricCounts, Summary
from orderwatch.db.database import Database
from orderwatch.db.history import FETCHING
from orderwatch.db.mappers import delivery_of, transition_of
from orderwatch.db.queries.due import CAPTURE_OF_DELIVERY
from orderwatch.db.queries.loading import COUNTED, load
from orderwatch.db.tables import accounts, captures, deliveries, intents, orders, outbox, transitions
from orderwatch.ports import Detail

_COUNT = func.count()
_ORDERS = select(orders.c.state, _COUNT).group_by(orders.c.state)
_DELIVERIES = select(deliveries.c.state, _COUNT).group_by(deliveries.c.state)

_RANKS = {  # of an order in the summary, by the first of its deliveries
    DeliveryState.FETCHING: 0,
    DeliveryState.PARKED: 1,
    DeliveryState.GIVEN_UP: 1,
    DeliveryState.WAITING: 2,
    DeliveryState.WANTED: 3,
}
_RANKED = (
    select(deliveries.c.order_row, func.min(case(_RANKS, value=deliveries.c.state)).label("rank"))
    .where(deliveries.c.state.in_(UNFINISHED))
    .group_by(deliveries.c.order_row)
    .subquery()
)
_FOREMOST = (
    select(orders.c.id)
    .outerjoin_from(orders, _RANKED, _RANKED.c.order_row == orders.c.id)
    .where(or_(orders.c.state != OrderState.DONE, _RANKED.c.rank.is_not(None)))
    .order_by(_RANKED.c.rank.nulls_last(), orders.c.next_look_at.nulls_last(), orders.c.id)
)

_ORDERS_BY_ACCOUNT = select(orders.c.account, orders.c.state, _COUNT).group_by(
    orders.c.account, orders.c.state
)
_CAPTURES_BY_ACCOUNT = (
    select(orders.c.account, captures.c.phase, _COUNT)
    .join_from(captures, orders)
    .group_by(orders.c.account, captures.c.phase)
)
_COUNTED = COUNTED.subquery()
_DELIVERIES_BY_ACCOUNT = (
    select(orders.c.account, _COUNTED.c.state, func.sum(_COUNTED.c.number), func.sum(_COUNTED.c.size))
    .join_from(orders, _COUNTED, _COUNTED.c.order_row == orders.c.id)
    .group_by(orders.c.account, _COUNTED.c.state)
)
_INTENTS_BY_ACCOUNT = select(intents.c.account, intents.c.state, _COUNT).group_by(
    intents.c.account, intents.c.state
)
_LISTED = select(accounts.c.account, accounts.c.listed_at).where(accounts.c.listed_at.is_not(None))
_COMING = (  # captures with files that are not stored yet, from an index alone
    select(deliveries.c.order_row, deliveries.c.capture_id)
    .where(deliveries.c.state.in_(UNFINISHED - {DeliveryState.GIVEN_UP}))
    .group_by(deliveries.c.state, deliveries.c.order_row, deliveries.c.capture_id)
    .subquery()
)
_OLDEST = (  # publication of what is not stored yet
    select(orders.c.account, func.min(captures.c.published_at))
    .join_from(
        _COMING,
        captures,
        and_(captures.c.order_row == _COMING.c.order_row, captures.c.capture_id == _COMING.c.capture_id),
    )
    .join(orders, orders.c.id == captures.c.order_row)
    .where(captures.c.published_at.is_not(None))
    .group_by(orders.c.account)
)
_LARGEST_PARKED = (  # an unknown size counts as one byte
    select(deliveries.c.root, func.max(func.coalesce(deliveries.c.total - deliveries.c.durable, 1)))
    .where(deliveries.c.state == DeliveryState.PARKED)
    .group_by(deliveries.c.root)
)
_NOTIFICATIONS = select(outbox.c.channel, _COUNT).group_by(outbox.c.channel)

_REPORT_ORDERS = select(*(orders.c[name] for name in OrderRow._fields))
_REPORT_CHANGES = select(*(transitions.c[name] for name in ChangeRow._fields)).order_by(transitions.c.id)
_REPORT_CAPTURES = select(
    orders.c.account,
    orders.c.order_id,
    captures.c.capture_id,
    captures.c.phase,
    captures.c.start,
    captures.c.published_at,
).join_from(captures, orders)
_REPORT_STORED = (
    select(
        deliveries.c.account,
        deliveries.c.order_id,
        deliveries.c.version,
        captures.c.published_at,
        deliveries.c.stored_at,
    )
    .outerjoin_from(deliveries, captures, CAPTURE_OF_DELIVERY)
    .where(deliveries.c.stored_at.is_not(None))
)


class Statistics:
    """`ports.queries.Statistics` over SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self) -> Counts:
        return await self._database.read(_counts)

    async def metric_counts(self) -> MetricCounts:
        return await self._database.read(_metric_counts, retried=False)

    async def largest_parked(self) -> Mapping[str | None, int]:
        return await self._database.read(_largest_parked, retried=False)

    async def summary(self, limit: int, transitions: int) -> Summary:
        return await self._database.read(lambda db: _summary(db, limit, transitions))

    async def fill_report(self, report: ReportBuilder) -> None:
        def work(db: Connection) -> None:
            for row in db.execute(_REPORT_ORDERS):
                report.order(OrderRow(*row))
            for row in db.execute(_REPORT_CHANGES):
                report.move(ChangeRow(*row))
            for row in db.execute(_REPORT_CAPTURES):
                report.capture(CaptureRow(*row))
            for row in db.execute(_REPORT_STORED):
                report.stored(StoredRow(*row))

        await self._database.read(work, retried=False)  # or rows would be added twice


def _counts(db: Connection) -> Counts:
    return Counts(
        orders={OrderState(state): n for state, n in db.execute(_ORDERS)},
        deliveries={DeliveryState(state): n for state, n in db.execute(_DELIVERIES)},
    )


def _summary(db: Connection, limit: int, newest: int) -> Summary:
    """Orders that move or are in trouble come first, then those due soonest."""
    last = select(transitions).order_by(transitions.c.id.desc()).limit(newest)
    moves = [transition_of(row) for row in db.execute(last).mappings()]
    rows = (db.execute(_FOREMOST.limit(limit))).scalars().all()
    return Summary(
        counts=_counts(db),
        orders=load(db, orders.c.id.in_(rows), rows, Detail.NONE),
        running=[delivery_of(row) for row in db.execute(FETCHING).mappings()],
        moves=moves[::-1],
    )


def _metric_counts(db: Connection) -> MetricCounts:
    by_state = db.execute(_DELIVERIES_BY_ACCOUNT).all()
    return MetricCounts(
        orders={(account, state): n for account, state, n in db.execute(_ORDERS_BY_ACCOUNT)},
        captures={(account, phase): n for account, phase, n in db.execute(_CAPTURES_BY_ACCOUNT)},
        deliveries={(account, state): n for account, state, n, _ in by_state},
        intents={(account, state): n for account, state, n in db.execute(_INTENTS_BY_ACCOUNT)},
        stored_bytes={account: size for account, state, _, size in by_state if state == DeliveryState.STORED},
        listed_at=dict(db.execute(_LISTED).all()),
        oldest=dict(db.execute(_OLDEST).all()),
        notes=dict(db.execute(_NOTIFICATIONS).all()),
        largest_parked=_largest_parked(db),
    )


def _largest_parked(db: Connection) -> Mapping[str | None, int]:
    return dict(db.execute(_LARGEST_PARKED).all())
