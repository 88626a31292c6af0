"""Reads orders over STAPI. Orders are neither placed nor cancelled there."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from functools import partial

from orderwatch.core.model import CapturePhase, OrderPhase
from orderwatch.core.ordering.feasibility import Feasibility
from orderwatch.core.ordering.request import Product
from orderwatch.core.orders.snapshot import CaptureSnapshot, OrderSnapshot
from orderwatch.errors import RejectedError
from orderwatch.ports import Check, ListedRow, ListPage
from orderwatch.provider.client import STAPI, HttpClient
from orderwatch.provider.pagination import pages
from orderwatch.provider.row_hash import row_hash
from orderwatch.provider.stapi.records import ORDER_LIST, OrderRecords

NO_ORDERING = "orderwatch places no orders over STAPI, because they have no names to find them by"


class StapiTasking:
    """`ports.Tasking` over STAPI."""

    can_cancel = False
    orders_by_sku = False
    gives_reasons = False  # the list has them

    def __init__(self, http: HttpClient, records: OrderRecords) -> None:
        self._http = http
        self._records = records

    async def order(self, order_id: str) -> OrderSnapshot:
        return (await self._records.read(order_id)).to_snapshot()

    async def listing(self) -> AsyncIterator[ListPage]:
        position = 0
        async for page in pages(self._http, STAPI, "/orders", form=ORDER_LIST):
            listed = []
            for raw in page.rows:
                position += 1
                listed.append(ListedRow(_mark(raw), partial(self._read_row, raw, position)))
            yield ListPage(listed, page.total)

    def _read_row(self, raw: object, position: int) -> OrderSnapshot | None:
        record = self._records.listed(raw, position)
        return None if record is None else record.to_snapshot()

    async def captures(self, order_id: str) -> AsyncIterator[CaptureSnapshot]:
        """Yield the order as its only capture, once there may be files."""
        record = await self._records.shared(order_id)
        seen = record.to_snapshot()
        if seen.phase is OrderPhase.COMPLETED or record.files:
            yield CaptureSnapshot(capture_id=order_id, status=seen.status, phase=CapturePhase.PUBLISHED)

    async def expect(self, order_ids: Collection[str]) -> None:
        """Do nothing: an order is read alone."""

    async def products(self) -> Sequence[Product]:
        """Return none: their ids are texts."""
        return ()

    async def feasibility(self, body: Mapping[str, object]) -> Feasibility:
        del body
        raise RejectedError(NO_ORDERING)

    async def place(self, body: Mapping[str, object], before_send: Check = bool) -> OrderSnapshot:
        del body, before_send
        raise RejectedError(NO_ORDERING)

    async def cancel(self, order_id: str) -> OrderSnapshot:
        raise RejectedError(f"STAPI has no way to cancel order {order_id}")


def _mark(raw: object) -> int:
    """Return the mark of a row without its links, which some servers repeat with each answer."""
    return row_hash({k: v for k, v in raw.items() if k != "links"} if isinstance(raw, dict) else raw)
