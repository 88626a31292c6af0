"""Reads the queue as the page and the API show it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from orderwatch.core.deliveries.bandwidth import Progress
from orderwatch.core.queue.report import Blocks, Limits, QueuePart, QueueReport, reasons_of
from orderwatch.ports import Store

_MAX_ORDERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReader:
    records: Store
    transfers: Callable[[], Awaitable[Sequence[Progress]]]
    limits: Callable[[], Limits]
    now: Callable[[], datetime]

    async def read(self, offset: int, limit: int) -> QueueReport:
        """Returns totals over all deliveries to come, their first orders, and a part of their files."""
        now, records, limits = self.now(), self.records, self.limits()
        states = await records.accounts.states()
        blocks = Blocks(
            accounts=limits.accounts,
            pauses=await records.actions.pauses(),
            troubles={name: state.trouble for name, state in states.items() if state.trouble is not None},
        )
        totals = await records.queue.totals(now)
        orders, every_order = await records.queue.orders(now, _MAX_ORDERS)
        return QueueReport(
            blocks=blocks,
            limits=limits,
            backlog=totals.backlog,
            reasons=reasons_of(totals.groups, blocks),
            orders=orders,
            more_orders=every_order - len(orders),
            part=QueuePart(await records.queue.files(now, offset, limit), offset),
            transfers=await self.transfers(),
        )
