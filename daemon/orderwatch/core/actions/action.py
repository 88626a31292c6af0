"""Actions: what a person or a script does beside a running daemon, and the daemon's answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ActionKind(StrEnum):
    REFRESH = "refresh"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    ACKNOWLEDGE = "acknowledge"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshAnswer:
    """What the daemon found: orders that it polled, orders in the list, and recorded status changes."""

    polled: int = 0
    listed: int = 0
    changes: int = 0
    problems: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        orders = "1 order" if self.polled == 1 else f"{self.polled} orders"
        changes = "1 change" if self.changes == 1 else f"{self.changes or 'no'} changes"
        listed = f" ({self.listed} listed)" if self.listed else ""
        return "; ".join([f"polled {orders}{listed}, {changes}", *self.problems])


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action of `who`; without an account it concerns all of them. `number` is 0 until it is recorded.

    Only a refresh is answered.
    """

    kind: ActionKind
    who: str
    at: datetime
    account: str | None = None
    order_id: str | None = None
    number: int = 0
    answered_at: datetime | None = None
    answer: RefreshAnswer | None = None


def total(answers: Sequence[RefreshAnswer]) -> RefreshAnswer:
    """Return the answers of several accounts as one."""
    return RefreshAnswer(
        polled=sum(answer.polled for answer in answers),
        listed=sum(answer.listed for answer in answers),
        changes=sum(answer.changes for answer in answers),
        problems=tuple(problem for answer in answers for problem in answer.problems),
    )
