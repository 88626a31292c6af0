"""Whose turn it is: rush orders first, then what was published first, then small before large."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select

from orderwatch.db.tables import captures, deliveries, orders


def next_of(fetchable: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """The row of the delivery that goes before all others of these; `core.delivery.rank` in SQL."""
    its_capture = and_(
        captures.c.order_id == deliveries.c.order_id, captures.c.capture_id == deliveries.c.capture_id
    )
    chosen = (
        select(deliveries.c.id)
        .join_from(deliveries, orders, orders.c.id == deliveries.c.order_id)
        .outerjoin(captures, its_capture)
        .where(fetchable)
        .order_by(
            orders.c.priority.desc(),
            captures.c.published_at,
            deliveries.c.attachment == "delivery_zip",
            deliveries.c.total.nulls_last(),
            deliveries.c.id,
        )
        .limit(1)
    )
    return select(deliveries).where(deliveries.c.id == chosen.scalar_subquery())
