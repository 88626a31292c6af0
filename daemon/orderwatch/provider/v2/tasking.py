"""Reads, places and cancels orders over the v2 API, and reads their captures."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from http import HTTPStatus

from orderwatch.core.ordering.feasibility import Feasibility
from orderwatch.core.ordering.feature import to_feature
from orderwatch.core.ordering.request import Product
from orderwatch.core.orders.snapshot import CaptureSnapshot, OrderSnapshot
from orderwatch.errors import (
    AnswerError,
    LeftOutError,
    MissingError,
    ProviderError,
    RejectedError,
    UnclearError,
)
from orderwatch.ports import Check, ListedRow, ListPage
from orderwatch.provider.client import ORDERS, TASKING, ForbiddenReplyError, HttpClient
from orderwatch.provider.feasibility import feasibility_of_feature
from orderwatch.provider.pagination import pages
from orderwatch.provider.placing import NotOfferedError
from orderwatch.provider.row_hash import row_hash
from orderwatch.provider.schemas import R, RowSource, SchemaReader
from orderwatch.provider.v2.captures import join
from orderwatch.provider.v2.lists import (
    PART_LIST,
    WHOLE_LIST,
    ContractLists,
    OrderLists,
    order_path,
)
from orderwatch.provider.v2.orders import OrderReader, unwrapped
from orderwatch.provider.v2.rows import CaptureRow, DeliverableRow, flat, is_archive_order, order_of

_LIST = "/v2/orders/"
_MAX_EVENTS = 1000  # of one order
_NO_WAY = (MissingError, ForbiddenReplyError, NotOfferedError)
_MAYBE_PLACED = frozenset({HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})


class OrdersApi:
    """`ports.Tasking` over the v2 API."""

    can_cancel = True
    orders_by_sku = True
    gives_reasons = True

    def __init__(
        self,
        http: HttpClient,
        reader: SchemaReader,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._http = http
        self._sleep = sleep
        self._reader = reader
        self._orders = OrderReader(reader)
        self._order_lists = OrderLists(http, monotonic)
        self._contract_lists = ContractLists(http, monotonic)

    async def order(self, order_id: str) -> OrderSnapshot:
        path = order_path(order_id)
        name = f"orders: GET {path}"
        reply = await self._http.request(ORDERS, self._http.url(ORDERS, path), name)
        raw = unwrapped(reply.json())
        if order_of(raw) != order_id:
            raise AnswerError(f"{name}: the response is not this order")
        seen = self._orders.read(raw, RowSource(f"order {order_id}"), await self._events(order_id))
        if seen is None:
            raise AnswerError(f"{name}: the response is not an order")
        return seen

    async def _events(self, order_id: str) -> Sequence[object]:
        """Return the order's events, as far as they can be read: they explain, and rarely decide."""
        found: list[object] = []
        try:
            async for page in pages(self._http, ORDERS, order_path(order_id, "/events"), form=PART_LIST):
                found += page.rows
                if len(found) >= _MAX_EVENTS:
                    break
        except ProviderError:
            pass
        return found[:_MAX_EVENTS]

    async def listing(self) -> AsyncIterator[ListPage]:
        """Yield every tasking order once; orders of archive images are left out."""
        shown: set[str] = set()
        position = 0
        async for page in pages(self._http, ORDERS, _LIST, form=WHOLE_LIST):
            listed, left_out = [], 0
            for raw in page.rows:
                position += 1
                order_id = order_of(raw)
                if is_archive_order(raw):
                    left_out += 1
                    continue
                if order_id in shown:
                    continue
                if order_id is not None:
                    shown.add(order_id)
                read = partial(self._orders.read, raw, RowSource("orders", position))
                listed.append(ListedRow(row_hash(raw), read))
            yield ListPage(listed, page.total, left_out)

    async def expect(self, order_ids: Collection[str]) -> None:
        await self._contract_lists.expect(order_ids)

    async def captures(self, order_id: str) -> AsyncIterator[CaptureSnapshot]:
        found = self._contract_lists.take(order_id)
        if found is None:
            found = await self._order_lists.read(order_id)
            self._contract_lists.on_read(order_id, found)
        captures = self._read(CaptureRow, found.captures, f"captures of order {order_id}")
        deliverables = self._read(DeliverableRow, found.deliverables, f"deliverables of order {order_id}")
        for seen in join(filter(None, captures), filter(None, deliverables)):
            yield seen
        if found.trouble is not None:
            raise found.trouble
        if None in captures or None in deliverables:
            raise LeftOutError("orders: orderwatch cannot read a capture or deliverable")

    def _read(self, model: type[R], raws: Sequence[object], list_name: str) -> list[R | None]:
        return [
            self._reader.read(model, flat(raw), RowSource(list_name, position))
            for position, raw in enumerate(raws, 1)
        ]

    async def products(self) -> Sequence[Product]:
        """Return none: the contract fixes the SKUs, and no list of them is known."""
        return ()

    async def feasibility(self, body: Mapping[str, object]) -> Feasibility:
        return await feasibility_of_feature(self._http, body, self._sleep)

    async def place(self, body: Mapping[str, object], before_send: Check = bool) -> OrderSnapshot:
        if "sku" not in body:
            raise RejectedError("the v2 API takes orders with a sku; replace product by sku")
        name = f"orders: POST {_LIST}"
        url = self._http.url(ORDERS, _LIST)
        try:
            reply = await self._http.send(
                ORDERS, "POST", url, name, to_feature(body), unclear=_MAYBE_PLACED, before_send=before_send
            )
        except MissingError as error:  # not a missing order
            raise RejectedError(str(error)) from error
        try:
            seen = self._orders.read(unwrapped(reply.json()), RowSource("response to POST"))
        except AnswerError as error:
            raise UnclearError(str(error)) from error
        if seen is None:
            raise UnclearError(f"{name}: the response is not an order")
        return seen

    async def cancel(self, order_id: str) -> OrderSnapshot:
        """Request to cancel an order, as a task of v1 if it is one: only that way is known to work."""
        before = await self.order(order_id)
        if not (before.task_id and await self._cancel_task(before.task_id)):
            await self._cancel_order(order_id)
        try:
            return await self.order(order_id)
        except ProviderError as error:
            raise UnclearError(f"the cancellation was requested, but {error}") from error

    async def _cancel_task(self, task_id: int) -> bool:
        """Return whether the provider took the request; False if v1 does not cancel this task."""
        path = f"/tasking/tasks/{task_id}/cancel/"
        url = self._http.url(TASKING, path)
        try:
            await self._http.send(TASKING, "PATCH", url, f"tasking: PATCH {path}", {})
        except _NO_WAY:
            return False
        return True

    async def _cancel_order(self, order_id: str) -> None:
        path = order_path(order_id)
        url = self._http.url(ORDERS, path)
        try:
            await self._http.send(ORDERS, "DELETE", url, f"orders: DELETE {path}", None)
        except _NO_WAY as error:
            raise RejectedError(f"the provider refuses this way to cancel an order: {error}") from error
