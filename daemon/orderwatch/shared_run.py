"""Runs work once for all callers that wait for it at the same time."""

import asyncio
from collections.abc import Awaitable, Callable

from orderwatch.cancellation import shielded


class SharedRun:
    """Runs `work`, once at a time: each caller gets a run that began after its call, most share one.

    An error of the run is raised to each of them. A cancelled caller waits for the end of the run.
    """

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running))
        await shielded(self._next)

    async def _run(self, before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        await self._work()
