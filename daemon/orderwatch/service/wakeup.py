"""Wakes every waiting worker; work is stored in rows, so a missed wakeup costs only time."""

import asyncio
from collections.abc import Awaitable, Callable


class Wakeup:
    """An event that each subscriber receives once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def trigger(self) -> None:
        """Wake all current subscribers."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    def subscribe(self) -> asyncio.Event:
        """Return an event for the next trigger. Subscribe before reading rows, to miss none."""
        return self._event

    async def run_on_each(self, work: Callable[[], Awaitable[object]]) -> None:
        """Run `work` now and after every trigger, forever."""
        while True:
            ticket = self.subscribe()
            await work()
            await ticket.wait()
