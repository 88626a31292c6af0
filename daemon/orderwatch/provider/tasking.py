"""Orders and their captures."""

import itertools
from collections.abc import AsyncIterator
from functools import partial

import orjson

from orderwatch.core.seen import SeenCapture, SeenOrder
from orderwatch.errors import AnswerError
from orderwatch.ports import ListedRow, ListPage
from orderwatch.provider.http import TASKING, Http
from orderwatch.provider.pages import pages, rows
from orderwatch.provider.wire import Capture, Reader, Task

_ODD = itertools.count(2**64)  # marks that no hash is


class TaskingApi:
    """`ports.Tasking` over the Tasking API."""

    def __init__(self, http: Http, reader: Reader) -> None:
        self._http = http
        self._reader = reader

    async def order(self, task_id: int) -> SeenOrder:
        path = f"/tasking/tasks/{task_id}"
        name = f"tasking: GET {path}"
        raw = (await self._http.request(TASKING, self._http.url(TASKING, path), name)).json()
        task = self._reader.read(Task, raw)
        if task is None or task.task_id != task_id:
            raise AnswerError(f"{name}: the answer is not this order")
        return task.seen(raw)

    async def listing(self) -> AsyncIterator[ListPage]:
        async for page in pages(self._http, TASKING, "/tasking/tasks/"):
            listed = [ListedRow(_mark(raw), partial(self._listed, raw)) for raw in page.rows]
            yield ListPage(listed, page.total)

    def _listed(self, raw: object) -> SeenOrder | None:
        task = self._reader.read(Task, raw)
        return None if task is None else task.seen(raw)

    async def captures(self, task_id: int) -> AsyncIterator[SeenCapture]:
        async for raw in rows(self._http, TASKING, f"/tasking/tasks/{task_id}/captures/"):
            if capture := self._reader.read(Capture, raw):
                yield capture.seen()  # shown twice: what is read later is newer, and counts


def _mark(raw: object) -> int:
    try:
        return hash(orjson.dumps(raw))
    except TypeError:  # a lone surrogate, too large a number, too deep: read anew each time
        return next(_ODD)
