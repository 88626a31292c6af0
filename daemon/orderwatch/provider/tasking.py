"""Orders and their captures."""

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial

import orjson

from orderwatch.core.ordering.request import Product
from orderwatch.core.orders.snapshot import CaptureSnapshot, OrderSnapshot
from orderwatch.errors import AnswerError, LeftOutError, MissingError, RejectedError, UnclearError
from orderwatch.ports import ListedRow, ListPage
from orderwatch.provider.client import TASKING, HttpClient
from orderwatch.provider.pagination import pages, rows
from orderwatch.provider.schemas import Capture, Place, ProductRow, SchemaReader, Task

_ODD = itertools.count(2**64)  # marks that no hash is


class TaskingApi:
    """`ports.Tasking` over the Tasking API."""

    def __init__(self, http: HttpClient, reader: SchemaReader) -> None:
        self._http = http
        self._reader = reader

    async def order(self, task_id: int) -> OrderSnapshot:
        path = f"/tasking/tasks/{task_id}"
        name = f"tasking: GET {path}"
        raw = (await self._http.request(TASKING, self._http.url(TASKING, path), name)).json()
        task = self._reader.read(Task, raw, Place(f"order {task_id}"))
        if task is None or task.task_id != task_id:
            raise AnswerError(f"{name}: the answer is not this order")
        return task.seen(raw)

    async def listing(self) -> AsyncIterator[ListPage]:
        before = 0
        async for page in pages(self._http, TASKING, "/tasking/tasks/"):
            listed = [
                ListedRow(_mark(raw), partial(self._listed, raw, before + number))
                for number, raw in enumerate(page.rows, 1)
            ]
            before += len(listed)
            yield ListPage(listed, page.total)

    def _listed(self, raw: object, position: int) -> OrderSnapshot | None:
        task = self._reader.read(Task, raw, Place("orders", position))
        return None if task is None else task.seen(raw)

    async def captures(self, task_id: int) -> AsyncIterator[CaptureSnapshot]:
        within, all_read = f"captures of order {task_id}", True
        async for position, raw in rows(self._http, TASKING, f"/tasking/tasks/{task_id}/captures/"):
            if capture := self._reader.read(Capture, raw, Place(within, position)):
                yield capture.seen()  # shown twice: what is read later is newer, and counts
            else:
                all_read = False
        if not all_read:
            raise LeftOutError("tasking: a capture cannot be read")

    async def products(self) -> Sequence[Product]:
        found = [
            self._reader.read(ProductRow, raw, Place("products", position))
            async for position, raw in rows(self._http, TASKING, "/tasking/products/")
        ]
        return [Product(**row.model_dump()) for row in found if row]

    async def place(self, body: Mapping[str, object]) -> OrderSnapshot:
        try:
            return await self._sent("POST", "/tasking/tasks/", body)
        except MissingError as error:  # which is not a missing order
            raise RejectedError(str(error)) from error

    async def cancel(self, task_id: int) -> OrderSnapshot:
        return await self._sent("PATCH", f"/tasking/tasks/{task_id}/cancel/", {}, task_id)

    async def _sent(
        self, method: str, path: str, document: Mapping[str, object], task_id: int | None = None
    ) -> OrderSnapshot:
        """The order that the provider answers with, `task_id` where that is known before."""
        name = f"tasking: {method} {path}"
        reply = await self._http.send(TASKING, method, self._http.url(TASKING, path), name, document)
        try:
            raw = reply.json()
        except AnswerError as error:
            raise UnclearError(str(error)) from error
        task = self._reader.read(Task, raw, Place(f"answer to {method}"))
        if task is None or task_id not in (None, task.task_id):
            raise UnclearError(f"{name}: the answer is not this order")
        return task.seen(raw)


def _mark(raw: object) -> int:
    try:
        return hash(orjson.dumps(raw))
    except TypeError:  # a lone surrogate, too large a number, too deep: read anew each time
        return next(_ODD)
