"""Reading for people: the orders of a period."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orderwatch.core.model import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `since` up to `until`, of one account or project or of all.

    With `throughout`, windows count that neither open nor close within it.
    """

    since: datetime
    until: datetime
    account: str | None = None
    project: str | None = None
    throughout: bool = True


class Agenda(Protocol):
    """Orders by the times of their windows and captures. Raises `DatabaseError`."""

    async def rows(self, period: Period, limit: int) -> Sequence[int]:
        """Return the rows of at most `limit` orders with something in the period, the last ending first."""
        ...

    async def in_rows(self, rows: Sequence[int]) -> Sequence[Order]:
        """Return the orders of these rows, with their captures, without deliveries."""
        ...
