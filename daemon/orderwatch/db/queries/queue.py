"""The deliveries to come: counted in groups, and a part of them in the order of their turn."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, and_, bindparam, case, func, select

from orderwatch.core.model import DeliveryState
from orderwatch.core.queue.backlog import TO_COME, FileGroup, QueueTotals, backlog_of
from orderwatch.core.queue.report import QueueFile, QueueOrder
from orderwatch.db.database import Database
from orderwatch.db.mappers import delivery_of
from orderwatch.db.queries.due import CAPTURE_OF_DELIVERY
from orderwatch.db.tables import captures, deliveries, hosts, orders

_MAX_SAMPLES = 5000  # stored files that a typical size is the mean of

_IS_TO_COME = deliveries.c.state.in_(TO_COME)
_IS_FETCHED = deliveries.c.state == DeliveryState.FETCHING
_IS_LATER = and_(
    deliveries.c.state.in_([DeliveryState.WAITING, DeliveryState.PARKED]),
    func.coalesce(deliveries.c.not_before > bindparam("now"), False),
)
_NUMBER = func.count().label("number")
_SIZED = func.count(deliveries.c.total).label("sized")
_MISSING = func.coalesce(
    func.sum(
        case((deliveries.c.total > deliveries.c.durable, deliveries.c.total - deliveries.c.durable), else_=0)
    ),
    0,
).label("size")
_LATER = _IS_LATER.label("is_later")
_OF_GROUP = (deliveries.c.account, deliveries.c.attachment, deliveries.c.state, _LATER)
_GROUPS = select(*_OF_GROUP, _NUMBER, _SIZED, _MISSING).where(_IS_TO_COME).group_by(*_OF_GROUP)
_SAMPLES = (
    select(deliveries.c.attachment, deliveries.c.size)
    .where(deliveries.c.state == DeliveryState.STORED, deliveries.c.not_before.is_(None))
    .order_by(deliveries.c.id.desc())
    .limit(_MAX_SAMPLES)
    .subquery()
)
_TYPICAL = select(_SAMPLES.c.attachment, func.avg(_SAMPLES.c.size)).group_by(_SAMPLES.c.attachment)

_FETCHED = func.sum(case((_IS_FETCHED, 1), else_=0)).label("fetching")
_BY_ORDER = (
    select(deliveries.c.order_row, _FETCHED).where(_IS_TO_COME).group_by(deliveries.c.order_row).subquery()
)
_FIRST_PUBLISHED = (
    select(func.min(captures.c.published_at)).where(captures.c.order_row == orders.c.id).scalar_subquery()
)
_NAMES = (orders.c.task_name, orders.c.project_name, orders.c.priority)
_ORDERS = (
    select(orders.c.id, orders.c.account, orders.c.order_id, orders.c.task_id, *_NAMES, _BY_ORDER.c.fetching)
    .join_from(_BY_ORDER, orders, orders.c.id == _BY_ORDER.c.order_row)
    .order_by(
        (_BY_ORDER.c.fetching > 0).desc(),
        orders.c.priority.desc(),
        _FIRST_PUBLISHED.nulls_last(),
        orders.c.id,
    )
    .limit(bindparam("limit"))
)
_ORDER_COUNT = select(func.count()).select_from(_BY_ORDER)
_GROUPS_OF_ORDERS = (
    select(deliveries.c.order_row, *_OF_GROUP, _NUMBER, _SIZED, _MISSING)
    .where(_IS_TO_COME, deliveries.c.order_row.in_(bindparam("rows", expanding=True)))
    .group_by(deliveries.c.order_row, *_OF_GROUP)
)

_TURN = (  # as `next_due` takes them
    case((_IS_FETCHED, 0), (_IS_LATER, 2), else_=1),
    case((_IS_LATER, deliveries.c.not_before)),
    orders.c.priority.desc(),
    captures.c.published_at.nulls_first(),
    deliveries.c.attachment == "delivery_zip",
    deliveries.c.total.nulls_last(),
    deliveries.c.id,
)
_PART = (
    select(deliveries.c.id)
    .join_from(deliveries, orders, orders.c.id == deliveries.c.order_row)
    .outerjoin(captures, CAPTURE_OF_DELIVERY)
    .where(_IS_TO_COME)
    .order_by(*_TURN)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_FILES = (
    select(
        deliveries,
        *_NAMES,
        captures.c.published_at,
        hosts.c.host.label("of_host"),
        _IS_LATER.label("is_later"),
    )
    .join_from(deliveries, orders, orders.c.id == deliveries.c.order_row)
    .outerjoin(captures, CAPTURE_OF_DELIVERY)
    .outerjoin(hosts, and_(hosts.c.boot == deliveries.c.owner, _IS_FETCHED))
    .where(deliveries.c.id.in_(_PART.subquery().select()))
    .order_by(*_TURN)
)


class Queue:
    """`ports.queue.Queue` over both engines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def totals(self, now: datetime) -> QueueTotals:
        return await self._database.read(lambda db: _totals(db, now))

    async def orders(self, now: datetime, limit: int) -> tuple[Sequence[QueueOrder], int]:
        return await self._database.read(lambda db: _orders(db, now, limit))

    async def files(self, now: datetime, offset: int, limit: int) -> Sequence[QueueFile]:
        def work(db: Connection) -> list[QueueFile]:
            given = {"now": now, "offset": offset, "limit": limit}
            return [_file_of(row) for row in db.execute(_FILES, given).mappings()]

        return await self._database.read(work)


def _totals(db: Connection, now: datetime) -> QueueTotals:
    groups = [_group_of(row) for row in db.execute(_GROUPS, {"now": now}).mappings()]
    return QueueTotals(groups, _typical(db))


def _typical(db: Connection) -> Mapping[str, float]:
    return {name: float(size) for name, size in db.execute(_TYPICAL) if size is not None}


def _orders(db: Connection, now: datetime, limit: int) -> tuple[list[QueueOrder], int]:
    found = db.execute(_ORDERS, {"limit": limit}).mappings().all()
    given = {"rows": [row["id"] for row in found], "now": now}
    groups: defaultdict[int, list[FileGroup]] = defaultdict(list)
    for row in db.execute(_GROUPS_OF_ORDERS, given).mappings():
        groups[row["order_row"]].append(_group_of(row))
    typical = _typical(db)
    shown = [
        QueueOrder(
            account=row["account"],
            order_id=row["order_id"],
            task_id=row["task_id"],
            task_name=row["task_name"],
            project_name=row["project_name"],
            priority=row["priority"],
            fetching=row["fetching"],
            backlog=backlog_of(groups[row["id"]], typical),
        )
        for row in found
    ]
    return shown, db.scalar(_ORDER_COUNT) or 0


def _group_of(row: RowMapping) -> FileGroup:
    return FileGroup(
        account=row["account"],
        attachment=row["attachment"],
        state=DeliveryState(row["state"]),
        is_later=bool(row["is_later"]),
        number=row["number"],
        sized=row["sized"],
        size=int(row["size"]),
    )


def _file_of(row: RowMapping) -> QueueFile:
    return QueueFile(
        delivery=delivery_of(row),
        task_name=row["task_name"],
        project_name=row["project_name"],
        priority=row["priority"],
        published_at=row["published_at"],
        is_later=bool(row["is_later"]),
        host=row["of_host"],
    )
