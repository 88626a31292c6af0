"""The intents as rows: orders recorded before they are sent."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from orderwatch.core.ordering.intent import Budget, Intent
from orderwatch.core.orders.observe import Verdict


class Intents(Protocol):
    """Every order that was meant to be placed. Raises `DatabaseError`."""

    async def list_all(self, account: str | None = None, *, unsettled: bool = False) -> Sequence[Intent]:
        """Return the intents, oldest first, or only those whose outcome is unknown."""
        ...

    async def add(self, intent: Intent, now: datetime, budget: Budget | None = None) -> Intent | None:
        """Write an intent before it is sent; return it with its number, None if it exceeds the budget.

        Raises `LockedError` if the same order is being placed.
        """
        ...

    async def update(self, before: Intent, after: Intent) -> None:
        """Write an intent's progress; raises `LockedError` if another process wrote it meanwhile."""
        ...

    async def settle(self, before: Intent, after: Intent, verdict: Verdict) -> None:
        """Write an intent together with its order, in one transaction.

        Raises `LockedError` as `update`, and `StaleOrderError` as `Orders.save`.
        """
        ...
