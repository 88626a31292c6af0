"""Whose turn it is: rush orders first, then what was published first, then small before large."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, select

from orderwatch.db.tables import captures, deliveries, orders


def next_of(
    fetchable: ColumnElement[bool], by_turns: ColumnElement[bool] | None = None
) -> Select[*tuple[Any, ...]]:
    """The row of the delivery that goes before all others of these; `core.delivery.rank` in SQL.

    Before those by rank come those that go `by_turns`, of them whichever was tried least.
    """
    turns: list[ColumnElement[Any]] = []
    if by_turns is not None:
        tried = (deliveries.c.attempts, deliveries.c.not_before)
        turns = [by_turns.desc(), *(case((by_turns, column)) for column in tried)]
    its_capture = and_(
        captures.c.order_id == deliveries.c.order_id, captures.c.capture_id == deliveries.c.capture_id
    )
    chosen = (
        select(deliveries.c.id)
        .join_from(deliveries, orders, orders.c.id == deliveries.c.order_id)
        .outerjoin(captures, its_capture)
        .where(fetchable)
        .order_by(
            *turns,
            orders.c.priority.desc(),
            captures.c.published_at,
            deliveries.c.attachment == "delivery_zip",
            deliveries.c.total.nulls_last(),
            deliveries.c.id,
        )
        .limit(1)
    )
    return select(deliveries).where(deliveries.c.id == chosen.scalar_subquery())
