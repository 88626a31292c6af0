"""Reads, places and cancels orders, and reads their captures."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from functools import partial
from urllib.parse import quote

from orderwatch.core.ordering.feasibility import Feasibility
from orderwatch.core.ordering.request import Product
from orderwatch.core.orders.snapshot import CaptureSnapshot, OrderSnapshot
from orderwatch.errors import AnswerError, LeftOutError, MissingError, RejectedError, UnclearError
from orderwatch.ports import Check, ListedRow, ListPage
from orderwatch.provider.client import TASKING, HttpClient
from orderwatch.provider.feasibility import feasibility_of_task
from orderwatch.provider.pagination import pages, rows
from orderwatch.provider.row_hash import row_hash
from orderwatch.provider.schemas import Capture, ProductRow, RowSource, SchemaReader, Task


class TaskingApi:
    """`ports.Tasking` over the Tasking API; its order ids are numbers."""

    can_cancel = True
    orders_by_sku = False
    gives_reasons = False

    def __init__(self, http: HttpClient, reader: SchemaReader) -> None:
        self._http = http
        self._reader = reader

    async def order(self, order_id: str) -> OrderSnapshot:
        path = f"/tasking/tasks/{quote(order_id, safe='')}"
        name = f"tasking: GET {path}"
        raw = (await self._http.request(TASKING, self._http.url(TASKING, path), name)).json()
        task = self._reader.read(Task, raw, RowSource(f"order {order_id}"))
        if task is None or str(task.task_id) != order_id:
            raise AnswerError(f"{name}: the response is not this order")
        return task.to_snapshot(raw)

    async def listing(self) -> AsyncIterator[ListPage]:
        offset = 0
        async for page in pages(self._http, TASKING, "/tasking/tasks/"):
            listed = [
                ListedRow(row_hash(raw), partial(self._read_row, raw, offset + number))
                for number, raw in enumerate(page.rows, 1)
            ]
            offset += len(listed)
            yield ListPage(listed, page.total)

    def _read_row(self, raw: object, position: int) -> OrderSnapshot | None:
        task = self._reader.read(Task, raw, RowSource("orders", position))
        return None if task is None else task.to_snapshot(raw)

    async def captures(self, order_id: str) -> AsyncIterator[CaptureSnapshot]:
        list_name, all_read = f"captures of order {order_id}", True
        async for position, raw in rows(
            self._http, TASKING, f"/tasking/tasks/{quote(order_id, safe='')}/captures/"
        ):
            if capture := self._reader.read(Capture, raw, RowSource(list_name, position)):
                yield capture.to_snapshot()  # if it is listed twice, the later row counts
            else:
                all_read = False
        if not all_read:
            raise LeftOutError("tasking: orderwatch cannot read a capture")

    async def expect(self, order_ids: Collection[str]) -> None:
        """Do nothing: this API has no captures of several orders."""

    async def products(self) -> Sequence[Product]:
        found = [
            self._reader.read(ProductRow, raw, RowSource("products", position))
            async for position, raw in rows(self._http, TASKING, "/tasking/products/")
        ]
        return [Product(**row.model_dump()) for row in found if row]

    async def feasibility(self, body: Mapping[str, object]) -> Feasibility:
        return await feasibility_of_task(self._http, body)

    async def place(self, body: Mapping[str, object], before_send: Check = bool) -> OrderSnapshot:
        if "sku" in body:
            raise RejectedError("the v1 API takes orders with a product; replace sku by product")
        try:
            return await self._send_order("POST", "/tasking/tasks/", body, before_send=before_send)
        except MissingError as error:  # not a missing order
            raise RejectedError(str(error)) from error

    async def cancel(self, order_id: str) -> OrderSnapshot:
        return await self._send_order(
            "PATCH", f"/tasking/tasks/{quote(order_id, safe='')}/cancel/", {}, order_id
        )

    async def _send_order(
        self,
        method: str,
        path: str,
        document: Mapping[str, object],
        order_id: str | None = None,
        before_send: Check = bool,
    ) -> OrderSnapshot:
        """Send a change and return the order from the response. Raises `UnclearError` if it is another."""
        name = f"tasking: {method} {path}"
        url = self._http.url(TASKING, path)
        reply = await self._http.send(TASKING, method, url, name, document, before_send=before_send)
        try:
            raw = reply.json()
        except AnswerError as error:
            raise UnclearError(str(error)) from error
        task = self._reader.read(Task, raw, RowSource(f"response to {method}"))
        if task is None or order_id not in (None, str(task.task_id)):
            raise UnclearError(f"{name}: the response is not this order")
        return task.to_snapshot(raw)
