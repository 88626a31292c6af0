"""The placer's requests to the provider: the whole list of orders, and one order to place."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from orderwatch.core.ordering.intent import OrderList
from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.errors import AnswerError, UnexpectedError
from orderwatch.ports import Check, ListedRow, Tasking
from orderwatch.service.error_boundary import contain_errors

_STOP_TIMEOUT_SECONDS = 5.0  # for a request under way when orderwatch stops


class OrderRequests:
    """Requests of one account. Raises `ProviderError`."""

    def __init__(self, tasking: Tasking, now: Callable[[], datetime], before_send: Check) -> None:
        self._tasking = tasking
        self._now = now
        self._before_send = before_send

    async def list_orders(self) -> OrderList:
        """Read every order of the account; an incomplete list would prove nothing."""
        began, found, unreadable, left_out, total = self._now(), {}, 0, 0, 0
        async for page in self._tasking.listing():
            total = max(total, page.total or 0)
            left_out += page.left_out
            for row in page.rows:
                if snapshot := _read(row):
                    found[snapshot.order_id] = snapshot
                else:
                    unreadable += 1
        shown = len(found) + unreadable + left_out
        if shown < total:
            raise AnswerError(f"the provider's list counts {total} orders but contains {shown}")
        return OrderList(began, list(found.values()), unreadable)

    async def place(self, body: Mapping[str, object], stopping: asyncio.Event) -> OrderSnapshot:
        """Place an order. Raises `TimeoutError` if it does not end soon after `stopping` is set."""
        request = asyncio.ensure_future(self._tasking.place(body, self._before_send))
        stop = asyncio.ensure_future(stopping.wait())
        await asyncio.wait({request, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        return await asyncio.wait_for(request, _STOP_TIMEOUT_SECONDS)


def _read(row: ListedRow) -> OrderSnapshot | None:
    try:
        with contain_errors():
            return row.read()
    except UnexpectedError:
        return None
