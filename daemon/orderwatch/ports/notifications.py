"""Channels, and what of the database those need who tell."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from orderwatch.core.attention.concern import Changes, Evidence
from orderwatch.core.notifications.notification import OutboxItem
from orderwatch.core.notifications.problems import Problem, ProblemChange
from orderwatch.core.ordering.intent import Intent


class ChannelState(NamedTuple):
    """A channel's failures in a row, when it is tried again at the earliest, and what was wrong last."""

    failures: int = 0
    not_before: datetime | None = None
    reason: str | None = None


class Notifier(Protocol):
    """One way to reach people or programs. Raises `NotifyError`."""

    async def send(self, items: Sequence[OutboxItem]) -> None:
        """Tell them all, or raise; what is told again has the same ids."""
        ...


class Pinger(Protocol):
    """The URL that expects to hear of us. Raises `NotifyError`."""

    async def ping(self) -> None: ...


class Post(Protocol):
    """What one channel's teller needs of the store."""

    async def batch(self, channel: str, most: int) -> Sequence[OutboxItem]:
        """The notes that the channel was not told yet, oldest first."""
        ...

    async def delivered(self, channel: str, items: Collection[OutboxItem]) -> None:
        """The channel has them, and is in no trouble."""
        ...

    async def undelivered(self, channel: str, state: ChannelState) -> None:
        """The channel takes nothing."""
        ...

    async def drop(self, channel: str, before: datetime) -> int:
        """Give up notes of the channel that are older; returns how many."""
        ...

    async def channel(self, name: str) -> ChannelState:
        """Its trouble, kept over restarts."""
        ...


class Journal(Protocol):
    """Where what lasts is kept over restarts."""

    async def problems(self) -> Mapping[str, Problem]:
        """What has not ended, by its key."""
        ...

    async def note_problems(self, changes: Sequence[ProblemChange]) -> None:
        """Keep what began and forget what is over, with the notes of both, in one transaction."""
        ...

    async def intents(self, account: str | None = None, *, unsettled: bool = False) -> Sequence[Intent]:
        """What was ever meant to be ordered, oldest first; or only what nobody knows the end of."""
        ...


class AttentionRecords(Protocol):
    """Where what needs a person is read and kept. Raises `DatabaseError`."""

    async def attention(self, now: datetime) -> Evidence:
        """Return everything recorded that may need a person."""
        ...

    async def note_attention(self, changes: Changes, at: datetime) -> None:
        """Record what is new and what is over, with the notes of both, in one transaction."""
        ...
