"""Gives orders other ids: the provider knows one under several, each in another of its APIs."""

import json
from collections.abc import Mapping

from sqlalchemy import Connection, and_, select, update

from orderwatch.core.attention.concern import concern_key
from orderwatch.db.tables import attention, deliveries, intents, orders, transitions


def rename(db: Connection, account: str, ids: Mapping[str, str]) -> None:
    """Give orders, and all that is recorded of them, other ids. Partials, named by ids, begin again."""
    for table in (orders, deliveries, transitions, intents):
        here = update(table).where(table.c.account == account)
        for old, new in ids.items():
            db.execute(here.where(table.c.order_id == old).values(order_id=new))
    for old, new in ids.items():
        _rename_concerns(db, account, old, new)
    of_orders = and_(orders.c.account == account, orders.c.order_id.in_(ids.values()))
    db.execute(update(orders).where(of_orders).values(version=orders.c.version + 1))
    unfinished = deliveries.c.order_row.in_(select(orders.c.id).where(of_orders))
    db.execute(update(deliveries).where(unfinished, deliveries.c.stored_at.is_(None)).values(durable=0))


def _rename_concerns(db: Connection, account: str, old: str, new: str) -> None:
    """Rename those that were raised, so that they are not raised again."""
    here = and_(attention.c.account == account, attention.c.order_id == old)
    for row in db.execute(select(attention).where(here)).mappings().all():
        reason, of_account, *rest = json.loads(row["key"])
        is_of_order = rest[:1] == [old]  # the key of a problem or an intent has no order
        key = concern_key(reason, of_account, new, *rest[1:]) if is_of_order else row["key"]
        values = {"key": key, "order_id": new, "facts": {**row["facts"], "order_id": new}}
        db.execute(update(attention).where(attention.c.key == row["key"]).values(values))
