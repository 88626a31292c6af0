"""Reads the entries of a period."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from orderwatch.core.agenda.entries import Entry, entries_of
from orderwatch.core.model import Order
from orderwatch.core.orders.publication_lag import Lags
from orderwatch.ports import Store
from orderwatch.ports.agenda import Period

MAX_ORDERS = 2000
_ORDERS_PER_QUERY = 200  # so that other readers get their turn


class AgendaPart(NamedTuple):
    """The entries of a period; it is not `complete` if there are more than `MAX_ORDERS` orders."""

    entries: Sequence[Entry]
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AgendaReader:
    records: Store
    learned: Callable[[], Awaitable[Lags]]
    now: Callable[[], datetime]

    async def read(self, period: Period) -> AgendaPart:
        """Returns the entries that overlap the period."""
        rows = await self.records.agenda.rows(period, MAX_ORDERS + 1)
        orders: list[Order] = []
        for first in range(0, min(len(rows), MAX_ORDERS), _ORDERS_PER_QUERY):
            batch = rows[first : min(first + _ORDERS_PER_QUERY, MAX_ORDERS)]
            orders += await self.records.agenda.in_rows(batch)
        found = await asyncio.to_thread(entries_of, orders, await self.learned(), self.now())
        shown = [entry for entry in found if entry.overlaps(period.since, period.until)]
        return AgendaPart(shown, len(rows) <= MAX_ORDERS)
