"""Reading for people: what is still to be downloaded."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from orderwatch.core.queue.backlog import QueueTotals
from orderwatch.core.queue.report import QueueFile, QueueOrder


class Queue(Protocol):
    """The deliveries to come, counted in SQL and read in parts. Raises `DatabaseError`."""

    async def totals(self, now: datetime) -> QueueTotals:
        """Count everything to come."""
        ...

    async def orders(self, now: datetime, limit: int) -> tuple[Sequence[QueueOrder], int]:
        """Return the first orders with deliveries to come, and how many there are in all."""
        ...

    async def files(self, now: datetime, offset: int, limit: int) -> Sequence[QueueFile]:
        """Return a part of the deliveries to come: downloads, then in the order of their turn."""
        ...
