"""Gathers the facts that explain an order, from database, configuration and disk."""

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from orderwatch.app.plan import Plan
from orderwatch.core.cluster.shifts import account_shift
from orderwatch.core.model import Order
from orderwatch.core.orders.explain import DiskRoom, Facts
from orderwatch.core.orders.publication_lag import MAX_PUBLICATIONS, Lags, fit_lags
from orderwatch.core.orders.watches import traits_of
from orderwatch.db.repositories import Store, open_reader
from orderwatch.ports import Detail


async def gather(plan: Plan, order_id: str, now: datetime, detail: Detail) -> Sequence[Facts]:
    """Return the facts about the orders with this id, at most one per account."""
    async with open_reader(plan.database.location) as reader:
        return [
            await facts_of(plan, reader, order, now)
            for order in await reader.orders.list_all(order_id, detail)
        ]


async def facts_of(plan: Plan, reader: Store, order: Order, now: datetime, lags: Lags | None = None) -> Facts:
    """Return the facts about an order; `lags` saves fitting them again."""
    accounts = await reader.accounts.states()
    watched = plan.watched(order.account)
    root = watched.delivery_plan(traits_of(order)).root
    return Facts(
        now=now,
        order=order,
        moved_at=await reader.history.moved_at(order.order_id, order.account),
        watches=watched.watches_of(traits_of(order)),
        pace=plan.pace,
        lags=fit_lags(await reader.history.publication_lags(MAX_PUBLICATIONS)) if lags is None else lags,
        trouble=accounts[order.account].trouble if order.account in accounts else None,
        rooms=(_room(plan.folder(plan.roots[root]), plan.keep_free),),
        host=(await reader.shifts.holders()).get(account_shift(order.account)),
    )


def _room(root: Path, keep_free: int) -> DiskRoom:
    try:
        return DiskRoom(root=str(root), left=shutil.disk_usage(root).free - keep_free)
    except OSError:
        return DiskRoom(root=str(root), left=None)
