"""A bell wakes everyone who waits; the work stands in rows, so a missed ring costs only time."""

import asyncio
from collections.abc import Awaitable, Callable


class Bell:
    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        event, self._event = self._event, asyncio.Event()
        event.set()

    def ticket(self) -> asyncio.Event:
        """Take it before looking at the rows: a ring after that is not missed."""
        return self._event

    async def each(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do it now and whenever this rings, for ever."""
        while True:
            ticket = self.ticket()
            await work()
            await ticket.wait()
