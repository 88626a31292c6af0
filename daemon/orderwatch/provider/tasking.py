"""Orders and their captures."""

from collections.abc import AsyncIterator

from orderwatch.core.seen import SeenCapture, SeenOrder
from orderwatch.errors import AnswerError
from orderwatch.provider.http import TASKING, Http
from orderwatch.provider.pages import rows
from orderwatch.provider.wire import Capture, Reader, Task


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

    async def orders(self) -> AsyncIterator[SeenOrder]:
        given: set[int] = set()
        async for raw in rows(self._http, TASKING, "/tasking/tasks/"):
            task = self._reader.read(Task, raw)
            if task and task.task_id not in given:
                given.add(task.task_id)
                yield task.seen(raw)

    async def captures(self, task_id: int) -> AsyncIterator[SeenCapture]:
        async for raw in rows(self._http, TASKING, f"/tasking/tasks/{task_id}/captures/"):
            if capture := self._reader.read(Capture, raw):
                yield capture.seen()  # shown twice: what is read later is newer, and counts
