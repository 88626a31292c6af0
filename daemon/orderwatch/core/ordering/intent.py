"""The guard against ordering twice: an intent is written first, and searched for before it is sent again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from orderwatch.core.model import OrderPhase
from orderwatch.core.ordering.matching import matches, may_match
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.ordering.request import Request, fingerprint
from orderwatch.core.orders.snapshot import OrderSnapshot

_CLOCKS = timedelta(minutes=2)  # what our clock may be set by unnoticed
_LAST = datetime.max.replace(tzinfo=UTC)


class IntentState(StrEnum):
    SENDING = "sending"  # written before the request; unclear where nobody is sending it any more
    UNCLEAR = "unclear"  # sent, and nobody knows whether the provider took it
    ABSENT = "absent"  # unclear, and surely not in the provider's list
    PLACED = "placed"
    REFUSED = "refused"  # the provider said no
    UNSENT = "unsent"  # it surely never reached the provider
    FORGOTTEN = "forgotten"  # unclear, and the user does not want to know any more

    @property
    def open(self) -> bool:
        """Whether the provider took it is not settled."""
        return self in {IntentState.SENDING, IntentState.UNCLEAR, IntentState.ABSENT}

    @property
    def ordered(self) -> bool:
        """Whether the provider may have taken it."""
        return self not in {IntentState.REFUSED, IntentState.UNSENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One order that we mean to place with an account, at most once.

    `before` are the orders that the provider's list showed when it was about to be sent, while it is open.
    """

    number: int = 0  # of its row; 0 where it has none yet
    account: str
    contract: str | None = None  # under which it is sent; another one's list proves nothing
    request: Request
    provenance: Provenance
    written_at: datetime
    standing_order: bool = False  # declared in the configuration
    state: IntentState = IntentState.SENDING
    sends: int = 0
    sent_at: datetime | None = None
    ended_at: datetime | None = None  # when its end was found to be unclear
    searched_at: datetime | None = None  # when a whole list lacked it last
    before: tuple[int, ...] = ()
    task_id: int | None = None
    reason: str | None = None
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", fingerprint(self.account, self.request))

    def absent_at(self, wait: timedelta) -> datetime:
        """From when on a list that lacks it proves that it was not taken, whoever set our clock meanwhile."""
        return (self.ended_at or self.sent_at or self.written_at) + wait + _CLOCKS

    @property
    def words(self) -> str:
        """For the history of its order."""
        if not self.sends:
            return f"found in the provider's list, placed earlier; asked for {self.provenance.words}"
        lost = "; its answer was lost, and it was found in the provider's list" if self.ended_at else ""
        return f"placed {self.provenance.words}{lost}"


class OrderList(NamedTuple):
    """The whole list of an account's orders, as it was read from then on.

    Of the `unreadable` rows nobody knows what they are.
    """

    began: datetime
    orders: Sequence[OrderSnapshot]
    unreadable: int = 0


class Budget(NamedTuple):
    """How many orders may be placed without anybody's word."""

    max_per_day: int
    max_total: int


def alike(request: Request, stock: OrderList) -> list[OrderSnapshot]:
    """The orders of the list that are what is asked for: those that ended in vain last, the oldest first."""
    found = [seen for seen in stock.orders if matches(request, seen)]
    return sorted(found, key=lambda seen: (is_lost(seen), seen.placed_at or _LAST, seen.task_id))


def is_lost(seen: OrderSnapshot) -> bool:
    """It ended without bringing what was asked for."""
    in_peace = {OrderPhase.COMPLETED, OrderPhase.CLOSED}
    return seen.phase is not None and seen.phase.final and seen.phase not in in_peace


def nameless(request: Request, stock: OrderList) -> int:
    """How many rows may be what is asked for, and do not say so."""
    found = [seen for seen in stock.orders if not (seen.task_name and seen.project_name)]
    return sum(may_match(request, seen) for seen in found)


def sending(intent: Intent, stock: OrderList, now: datetime) -> Intent:
    """About to be sent, after the whole list was read."""
    return replace(
        intent,
        state=IntentState.SENDING,
        sends=intent.sends + 1,
        sent_at=now,
        ended_at=None,
        searched_at=None,
        before=tuple(seen.task_id for seen in stock.orders),
        reason=None,
    )


def renewed(intent: Intent, wish: Intent) -> Intent:
    """The same intent, as it is wanted now: they may differ in what the provider's list does not show."""
    return replace(intent, request=wish.request, provenance=wish.provenance, fingerprint=wish.fingerprint)


def unclear(intent: Intent, reason: str, now: datetime) -> Intent:
    return replace(intent, state=IntentState.UNCLEAR, ended_at=now, reason=reason)


def placed(intent: Intent, task_id: int) -> Intent:
    return replace(intent, state=IntentState.PLACED, task_id=task_id, before=(), reason=None)


def closed(intent: Intent, reason: str, *, refused: bool) -> Intent:
    """The provider did not take it."""
    state = IntentState.REFUSED if refused else IntentState.UNSENT
    return replace(intent, state=state, before=(), reason=reason)


def forgotten(intent: Intent, who: str) -> Intent:
    reason = f"forgotten on the word of {who}"
    return replace(intent, state=IntentState.FORGOTTEN, before=(), reason=reason)


def found(intent: Intent, stock: OrderList, taken: Collection[int]) -> OrderSnapshot | None:
    """The order that became of it: just like it, not there before, and of no other intent."""
    since = (intent.sent_at or intent.written_at) - _CLOCKS
    new = [s for s in alike(intent.request, stock) if s.task_id not in {*taken, *intent.before}]
    return min(new, key=lambda seen: seen.placed_at is not None and seen.placed_at < since, default=None)


def searched(
    intent: Intent, stock: OrderList, taken: Collection[int], wait: timedelta, waited: timedelta
) -> tuple[Intent, str | None]:
    """After a list that lacks it, and why that proves nothing where it does not.

    Two lists prove its absence, the second one begun after the wait: that we `waited` ourselves, or that so
    much time is over that no setting of our clock explains it.
    """
    if doubt := _doubt(intent, stock, taken):
        return replace(intent, state=IntentState.UNCLEAR, searched_at=None), doubt
    over = waited >= wait or stock.began >= intent.absent_at(wait)
    state = IntentState.ABSENT if intent.searched_at is not None and over else IntentState.UNCLEAR
    return replace(intent, state=state, searched_at=stock.began), None


def _doubt(intent: Intent, stock: OrderList, taken: Collection[int]) -> str | None:
    if stock.unreadable:
        return f"{stock.unreadable} rows of the provider's list cannot be read"
    shown = {seen.task_id: seen for seen in stock.orders}
    if gone := set(intent.before) - shown.keys():
        return f"the provider's list lacks orders that it showed before ({min(gone)})"
    for task_id in shown.keys() - {*taken, *intent.before}:
        if may_match(intent.request, shown[task_id]):
            return f"order {task_id} came since then, and could be it, although it looks otherwise"
    return None


def describe_outcome(intent: Intent, resume: str, trouble: str | None = None) -> str:
    """To be said behind its name; `resume` is what to run to settle it, `trouble` why the search failed."""
    failed = f" (searching for it failed: {trouble})" if trouble else ""
    match intent.state:
        case IntentState.REFUSED:
            return f"was refused, nothing was ordered: {intent.reason}"
        case IntentState.UNSENT:
            return f"could not be sent, nothing was ordered: {intent.reason}"
        case IntentState.ABSENT:
            lacking = f"was sent, but surely not taken: two whole lists of the provider's lack it{failed}"
            return f"{lacking}; {resume} to send it once more"
        case IntentState.FORGOTTEN:
            return "may have been placed or not, and was told to be forgotten"
        case IntentState.SENDING:
            return f"is being sent, or was when orderwatch ended{failed}; {resume} to find out"
        case _:
            doubt = f"may have been placed or not, and is not sent again: {intent.reason}{failed}"
            return f"{doubt}; {resume} to find out, and to send it once more if it surely was not taken"


def how_to_resume(intent: Intent) -> str:
    """For who does not know the command that it came from."""
    if intent.standing_order:
        return "copy its [[order]] to a file and run `orderwatch place FILE --resume`"
    return f"run `orderwatch place FILE --resume` with its file ({intent.provenance.source})"
