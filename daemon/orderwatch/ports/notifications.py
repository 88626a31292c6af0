"""Channels, and what is recorded for them: the outbox, the open problems, what needs a person."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from orderwatch.core.attention.concern import Changes, Concern, Evidence
from orderwatch.core.model import Transition
from orderwatch.core.notifications.notification import Channel, OutboxItem
from orderwatch.core.notifications.problems import Problem, ProblemChange


class ChannelState(NamedTuple):
    """A channel's failures in a row, the earliest time of its next retry, and the last failure's reason."""

    failures: int = 0
    not_before: datetime | None = None
    reason: str | None = None


class Notifier(Protocol):
    """One way to reach people or programs. Raises `NotifyError`."""

    async def send(self, items: Sequence[OutboxItem]) -> None:
        """Send all of them, or raise; what is sent again has the same ids."""
        ...


class Pinger(Protocol):
    """The URL of a dead man's switch. Raises `NotifyError`."""

    async def ping(self) -> None: ...


class Outbox(Protocol):
    """Notifications until every channel has them, and the open problems. Raises `DatabaseError`."""

    def subscribe(self, subscribed: Sequence[Channel], wake: Callable[[], object] = bool) -> None:
        """From now on write notifications for these channels only; call `wake` after some were written."""
        ...

    async def batch(self, channel: str, limit: int) -> Sequence[OutboxItem]:
        """Return the oldest notifications that the channel has not sent yet."""
        ...

    async def mark_sent(self, channel: str, items: Collection[OutboxItem]) -> None:
        """Remove what the channel has sent, and its failures."""
        ...

    async def save_state(self, channel: str, state: ChannelState) -> None:
        """Write the failures of a channel."""
        ...

    async def discard(self, channel: str, before: datetime) -> int:
        """Discard the channel's notifications from before then; return how many."""
        ...

    async def retain(self, names: Collection[str]) -> None:
        """Remove every other channel, with its notifications."""
        ...

    async def state(self, channel: str) -> ChannelState:
        """Return the failures of a channel, kept over restarts."""
        ...

    async def pending(self) -> Mapping[str, int]:
        """Return how many notifications wait, by channel, without channels that have none."""
        ...

    async def problems(self) -> Mapping[str, Problem]:
        """Return the open problems by their key, oldest first."""
        ...

    async def record_problems(self, changes: Sequence[ProblemChange]) -> None:
        """Write problems that began and remove those that ended, with their notifications."""
        ...


class Attention(Protocol):
    """What needs a person. Raises `DatabaseError`."""

    async def evidence(self, now: datetime) -> Evidence:
        """Return everything recorded that may need a person."""
        ...

    async def recorded(self) -> Sequence[Concern]:
        """Return the concerns of the last record that are not acknowledged, sorted for display."""
        ...

    async def record(self, changes: Changes, at: datetime) -> None:
        """Write concerns that are new and remove those that are over, with their notifications."""
        ...

    async def acknowledge(
        self, concerns: Collection[Concern], transitions: Sequence[Transition], at: datetime
    ) -> None:
        """Record that a person knows of these, with the transitions for the orders' histories."""
        ...
