"""A bell wakes everyone who waits; the work stands in rows, so a missed ring costs only time."""

import asyncio
from collections.abc import Awaitable, Callable


class Wakeup:
    def __init__(self) -> None:
        self._event = asyncio.Event()

    def trigger(self) -> None:
        event, self._event = self._event, asyncio.Event()
        event.set()

    def subscribe(self) -> asyncio.Event:
        """Take it before looking at the rows: a ring after that is not missed."""
        return self._event

    async def run_on_each(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do it now and whenever this rings, for ever."""
        while True:
            ticket = self.subscribe()
            await work()
            await ticket.wait()
