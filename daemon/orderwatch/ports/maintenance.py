"""What maintenance does to the rows, and the backups of the database."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from orderwatch.core.model import Delivery
from orderwatch.core.orders.observe import Verdict


class Maintenance(Protocol):
    """Work on the rows themselves, on a schedule or after an accident. Raises `DatabaseError`."""

    async def prune(self, before: datetime, limit: int) -> int:
        """Delete history and documents of orders done before then; return of how many orders."""
        ...

    async def least_recently_read(
        self, roots: Collection[str | None], before: datetime, limit: int
    ) -> Sequence[Delivery]:
        """Return stored files below these roots not read since then, the one read longest ago first."""
        ...

    async def bytes_read_since(self, since: datetime) -> int:
        """Return how many bytes of stored files were read again since then."""
        ...

    async def mark_read(self, delivery: Delivery, at: datetime) -> None:
        """Record that the delivery's file was read and is not damaged."""
        ...

    async def shift_schedule(self, now: datetime, by: timedelta) -> None:
        """Move what is scheduled after `now` forward by this much, after the clock was set back by it."""
        ...

    async def restore(self, verdicts: Collection[Verdict]) -> None:
        """Write orders that no row has yet, with the paths of their deliveries; all or none of them.

        No notifications are written: everything happened before.
        """
        ...

    async def merge(self, verdicts: Collection[Verdict], now: datetime) -> Collection[Delivery]:
        """Add to the rows the stored files that they lack; return those. Every order not done becomes due."""
        ...


class Backup(NamedTuple):
    path: Path
    size: int  # bytes


class Backups(Protocol):
    """The backups of the database, of which the newest `keep` stay (0: all). Raises `DatabaseError`."""

    keep: int

    def newest(self) -> datetime | None:
        """Return when the newest was made, by its name."""
        ...

    async def make(self, now: datetime) -> Backup:
        """Make a backup, then remove the oldest ones."""
        ...
