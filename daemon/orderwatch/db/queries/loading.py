"""Reads orders with their captures, and of their deliveries as much as the reader needs."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from orderwatch.core.model import UNFINISHED, Capture, Delivery, DeliveryState, FileCount, Order
from orderwatch.core.orders.listed_files import MAX_LISTED, MAX_NAMED
from orderwatch.db.mappers import capture_of, delivery_of, order_of
from orderwatch.db.queries.order_ids import BY_ID
from orderwatch.db.tables import accounts, captures, deliveries, orders
from orderwatch.ports import Detail

_WITH_ACCOUNT = orders.outerjoin(accounts, accounts.c.account == orders.c.account)
ORDERS = select(orders, accounts.c.listed_at).select_from(_WITH_ACCOUNT)
COUNTED = select(  # deliveries by capture and state, from an index alone
    deliveries.c.order_row,
    deliveries.c.capture_id,
    deliveries.c.state,
    func.count().label("number"),
    func.coalesce(func.sum(deliveries.c.size), 0).label("size"),
    func.max(deliveries.c.stored_at).label("stored_at"),
).group_by(deliveries.c.order_row, deliveries.c.capture_id, deliveries.c.state)


def load(
    db: Connection,
    where: ColumnElement[bool] | None,
    rows: Sequence[int] | None = None,
    detail: Detail = Detail.ALL,
) -> list[Order]:
    """Return these orders by account and id, or in the order of these rows."""
    query = ORDERS.order_by(orders.c.account, *BY_ID)
    if where is not None:
        query = query.where(where)
    ids: Any = rows if rows is not None else query.with_only_columns(orders.c.id).order_by(None)
    found = {row["id"]: row for row in db.execute(query).mappings()}
    its_captures: defaultdict[int, list[Capture]] = defaultdict(list)
    its_deliveries: defaultdict[int, list[Delivery]] = defaultdict(list)
    for row in db.execute(
        select(captures).where(captures.c.order_row.in_(ids)).order_by(captures.c.id)
    ).mappings():
        its_captures[row["order_row"]].append(capture_of(row))
    if (of_deliveries := _deliveries(ids, detail)) is not None:
        for row in db.execute(of_deliveries).mappings():
            its_deliveries[row["order_row"]].append(delivery_of(row))
    loaded = {
        row: order_of(facts, tuple(its_captures[row]), tuple(its_deliveries[row]))
        for row, facts in found.items()
    }
    if detail is not Detail.ALL:
        counted = _counted(db, ids)
        loaded = {row: replace(order, counted=tuple(counted[row])) for row, order in loaded.items()}
    return [loaded[row] for row in (rows if rows is not None else found)]


def _counted(db: Connection, ids: Any) -> defaultdict[int, list[FileCount]]:  # noqa: ANN401 - of an `in_`
    found: defaultdict[int, list[FileCount]] = defaultdict(list)
    for order_row, capture_id, state, *rest in db.execute(COUNTED.where(deliveries.c.order_row.in_(ids))):
        found[order_row].append(FileCount(capture_id, DeliveryState(state), *rest))
    return found


def _deliveries(ids: Any, detail: Detail) -> Select[Any] | None:  # noqa: ANN401 - as above
    of_orders = deliveries.c.order_row.in_(ids)
    query = select(deliveries).order_by(deliveries.c.id)
    match detail:
        case Detail.ALL:
            return query.where(of_orders)
        case Detail.SCENES:
            newest = select(func.max(deliveries.c.id)).where(of_orders)
            of_scene = newest.group_by(deliveries.c.order_row, deliveries.c.capture_id, deliveries.c.scene_id)
            return query.where(deliveries.c.id.in_(of_scene))
        case Detail.LISTED:
            return query.where(or_(*(deliveries.c.id.in_(some) for some in _listed(of_orders))))
        case Detail.NONE:
            return None


def _listed(of_orders: ColumnElement[bool]) -> Iterable[Select[Any]]:
    """Select what is shown: everything of captures with few files, else the first unfinished ones."""
    of_capture = (deliveries.c.order_row, deliveries.c.capture_id)
    few = (
        select(*of_capture)
        .where(of_orders)
        .group_by(*of_capture)
        .having(func.count() <= MAX_LISTED)
        .subquery()
    )
    yield select(deliveries.c.id).join_from(
        few,
        deliveries,
        (deliveries.c.order_row == few.c.order_row) & (deliveries.c.capture_id == few.c.capture_id),
    )
    of_state = (*of_capture, deliveries.c.state)
    number = func.row_number().over(partition_by=of_state, order_by=deliveries.c.id)
    named = select(deliveries.c.id, number.label("number")).where(
        of_orders, deliveries.c.state.in_(UNFINISHED)
    )
    ranked = named.subquery()
    yield select(ranked.c.id).where(ranked.c.number <= MAX_NAMED)
