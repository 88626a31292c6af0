"""The rows by which people act beside a running daemon."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orderwatch.core.actions.action import Action, RefreshAnswer
from orderwatch.core.actions.pauses import NO_PAUSES, Pause, Pauses


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
