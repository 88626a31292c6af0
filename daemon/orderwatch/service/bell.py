"""A bell wakes everyone who waits; the work stands in rows, so a missed ring costs only time."""

import asyncio


class Bell:
    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        event, self._event = self._event, asyncio.Event()
        event.set()

    def ticket(self) -> asyncio.Event:
        """Take it before looking at the rows: a ring after that is not missed."""
        return self._event
