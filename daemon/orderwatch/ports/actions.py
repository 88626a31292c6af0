"""The rows by which people act beside a running daemon."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orderwatch.core.actions.action import Action, RefreshAnswer
from orderwatch.core.actions.pauses import NO_PAUSES, Pause, Pauses
from orderwatch.core.attention.concern import Concern
from orderwatch.core.model import Delivery


@dataclass(frozen=True, slots=True)
class ActionNews:
    """The pauses in effect, actions that are new to the reader, and refreshes that nobody has answered."""

    newest: int = 0  # the number of the newest action
    fresh: Sequence[Action] = ()
    pauses: Pauses = NO_PAUSES
    refreshes: Sequence[Action] = ()


class Actions(Protocol):
    """Actions and pauses. Each call is one transaction. Raises `DatabaseError`."""

    async def newest(self) -> int:
        """Return the number of the newest action, 0 if there is none; a cheap way to see if one is new."""
        ...

    async def news(self, after: int, since: datetime) -> ActionNews:
        """Return what is new after an action; refreshes only if they were requested `since` then."""
        ...

    async def pauses(self) -> Pauses:
        """Return the pauses in effect."""
        ...

    async def record(self, actions: Sequence[Action]) -> Sequence[int]:
        """Record actions, so that running daemons notice; return their numbers."""
        ...

    async def pause(self, action: Action) -> Pause | None:
        """Record a pause, which lasts until it is resumed; return one that was there already."""
        ...

    async def resume(self, action: Action) -> Pause | None:
        """End a pause, and return it; None if there was none."""
        ...

    async def answer(self, number: int, answer: RefreshAnswer, at: datetime) -> None:
        """Record the answer to a refresh, once."""
        ...

    async def get(self, numbers: Collection[int]) -> Sequence[Action]:
        """Return the actions with these numbers."""
        ...


class Operator(Protocol):
    """Acts for a person. Raises `UnknownError` for names that are not known, and `DatabaseError`."""

    async def refresh(self, *, order: str | None = None, account: str | None = None) -> Sequence[int]:
        """Request a poll of one order, one account or all; return the numbers of the actions."""
        ...

    async def pause(self, account: str | None) -> Pause:
        """Pause the downloads of all accounts, or all of one account; return the pause, new or not."""
        ...

    async def resume(self, account: str | None) -> Pause | None:
        """End a pause and return it; None if there was none."""
        ...

    async def retry(
        self, *, order: str | None = None, account: str | None = None, capture: str | None = None
    ) -> Sequence[Delivery]:
        """Queue parked and given-up deliveries again; return them."""
        ...

    async def acknowledge(
        self, *, order: str | None = None, account: str | None = None, note: str | None = None
    ) -> Sequence[Concern]:
        """Acknowledge what needs a person; return it."""
        ...
