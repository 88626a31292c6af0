"""Gathers what bears on an order, beside a running daemon: database, configuration, disk."""

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from orderwatch.app.plan import pace_of, roots_of, watched_of
from orderwatch.config import Settings
from orderwatch.core.model import Order, Subject
from orderwatch.core.orders.explain import DiskRoom, Facts
from orderwatch.core.orders.publication_lag import NEWEST, Lags, fit_lags
from orderwatch.core.orders.watches import traits_of
from orderwatch.db.reader import Reader, open_reader


async def gather(settings: Settings, task_id: int, now: datetime) -> Sequence[Facts]:
    """What bears on the orders of this id, one for each account that has one."""
    async with open_reader(settings.database.path) as reader:
        return [await facts_of(settings, reader, order, now) for order in await reader.orders(task_id)]


async def facts_of(
    settings: Settings, reader: Reader, order: Order, now: datetime, lags: Lags | None = None
) -> Facts:
    """What bears on this order; `lags` are those that the caller has learned already."""
    accounts = await reader.accounts()
    moves = [
        move.at
        for move in await reader.history(order.task_id, order.account)
        if move.subject is not Subject.DELIVERY
    ]
    watched = watched_of(order.account, settings)
    keep_free = settings.delivery.keep_free
    root = watched.delivery_plan(traits_of(order)).root
    return Facts(
        now=now,
        order=order,
        moved_at=max(moves, default=None),
        watches=watched.watches_of(traits_of(order)),
        pace=pace_of(settings),
        lags=fit_lags(await reader.lags(NEWEST)) if lags is None else lags,
        trouble=accounts[order.account].trouble if order.account in accounts else None,
        rooms=(_room(roots_of(settings)[root], keep_free),),
    )


def _room(root: Path, keep_free: int) -> DiskRoom:
    try:
        return DiskRoom(root=str(root), left=shutil.disk_usage(root).free - keep_free)
    except OSError:
        return DiskRoom(root=str(root), left=None)
