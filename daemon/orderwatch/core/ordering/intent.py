"""Prevents double orders: an intent is recorded first, and searched for before it is sent again."""

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

_CLOCK_TOLERANCE = timedelta(minutes=2)  # of an unnoticed clock step
_MAX_TIME = datetime.max.replace(tzinfo=UTC)


class IntentState(StrEnum):
    SENDING = "sending"  # recorded before the request; unclear if its sender was killed
    UNCLEAR = "unclear"  # sent, and it is unknown whether the provider accepted it
    ABSENT = "absent"  # unclear, and confirmed missing in the provider's list
    PLACED = "placed"
    REFUSED = "refused"  # rejected by the provider
    UNSENT = "unsent"  # it never reached the provider
    FORGOTTEN = "forgotten"  # unclear, and the user stopped the search

    @property
    def open(self) -> bool:
        """Whether it is unknown if the provider accepted it."""
        return self in {IntentState.SENDING, IntentState.UNCLEAR, IntentState.ABSENT}

    @property
    def ordered(self) -> bool:
        """Whether the provider may have accepted it."""
        return self not in {IntentState.REFUSED, IntentState.UNSENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One order to be placed with an account, at most once.

    While it is open, `before` are the orders that the provider's list showed before it was sent.
    """

    number: int = 0  # of its row; 0 without one
    account: str
    contract: str | None = None  # whose list it would be in
    request: Request
    provenance: Provenance
    written_at: datetime
    standing_order: bool = False  # declared in the configuration
    state: IntentState = IntentState.SENDING
    sends: int = 0
    sent_at: datetime | None = None
    ended_at: datetime | None = None  # when it became unclear
    searched_at: datetime | None = None  # when a complete list last lacked it
    before: tuple[str, ...] = ()
    order_id: str | None = None  # of the order that it became
    task_id: int | None = None
    reason: str | None = None
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", fingerprint(self.account, self.request))

    def absent_at(self, wait: timedelta) -> datetime:
        """Returns when a list without it proves that it was not accepted, despite clock steps."""
        return (self.ended_at or self.sent_at or self.written_at) + wait + _CLOCK_TOLERANCE

    @property
    def words(self) -> str:
        """The provenance for the history of its order."""
        if not self.sends:
            return f"found in the provider's list, placed earlier; requested {self.provenance.words}"
        lost = "; the response was lost, and it was found in the provider's list" if self.ended_at else ""
        return f"placed {self.provenance.words}{lost}"


class OrderList(NamedTuple):
    """The complete list of an account's orders, read from `began` on, and the number of unreadable rows."""

    began: datetime
    orders: Sequence[OrderSnapshot]
    unreadable: int = 0


class Budget(NamedTuple):
    """How many standing orders may be placed."""

    max_per_day: int
    max_total: int


def alike(request: Request, stock: OrderList) -> list[OrderSnapshot]:
    """Returns the matching orders of the list, the oldest first and those that failed last."""
    found = [seen for seen in stock.orders if matches(request, seen)]
    return sorted(found, key=lambda seen: (is_lost(seen), seen.placed_at or _MAX_TIME, seen.order_id))


def is_lost(seen: OrderSnapshot) -> bool:
    """Returns whether it ended without success."""
    succeeded = {OrderPhase.COMPLETED, OrderPhase.CLOSED}
    return seen.phase is not None and seen.phase.final and seen.phase not in succeeded


def nameless(request: Request, stock: OrderList) -> int:
    """Returns how many orders of the list have no names and may match."""
    found = [seen for seen in stock.orders if not (seen.task_name and seen.project_name)]
    return sum(may_match(request, seen) for seen in found)


def sending(intent: Intent, stock: OrderList, now: datetime) -> Intent:
    """Returns the intent that is about to be sent, after the complete list was read."""
    return replace(
        intent,
        state=IntentState.SENDING,
        sends=intent.sends + 1,
        sent_at=now,
        ended_at=None,
        searched_at=None,
        before=tuple(seen.order_id for seen in stock.orders),
        reason=None,
    )


def renewed(intent: Intent, new: Intent) -> Intent:
    """Returns the intent with the new request, which may differ in fields that the list does not show."""
    return replace(intent, request=new.request, provenance=new.provenance, fingerprint=new.fingerprint)


def unclear(intent: Intent, reason: str, now: datetime) -> Intent:
    return replace(intent, state=IntentState.UNCLEAR, ended_at=now, reason=reason)


def placed(intent: Intent, seen: OrderSnapshot) -> Intent:
    return replace(
        intent,
        state=IntentState.PLACED,
        order_id=seen.order_id,
        task_id=seen.task_id,
        before=(),
        reason=None,
    )


def closed(intent: Intent, reason: str, *, refused: bool) -> Intent:
    """Returns the intent that the provider did not accept."""
    state = IntentState.REFUSED if refused else IntentState.UNSENT
    return replace(intent, state=state, before=(), reason=reason)


def forgotten(intent: Intent, who: str) -> Intent:
    reason = f"forgotten by {who}"
    return replace(intent, state=IntentState.FORGOTTEN, before=(), reason=reason)


def found(intent: Intent, stock: OrderList, taken: Collection[str]) -> OrderSnapshot | None:
    """Returns the order of this intent: a matching one that is new and of no other intent."""
    since = (intent.sent_at or intent.written_at) - _CLOCK_TOLERANCE
    new = [s for s in alike(intent.request, stock) if s.order_id not in {*taken, *intent.before}]
    return min(new, key=lambda seen: seen.placed_at is not None and seen.placed_at < since, default=None)


def searched(
    intent: Intent, stock: OrderList, taken: Collection[str], wait: timedelta, waited: timedelta
) -> tuple[Intent, str | None]:
    """Returns the intent after a list without it, and why that proves nothing, if so.

    Two lists prove its absence. The second must begin after the wait: orderwatch `waited` so long, or more
    time is over than a clock step explains.
    """
    if doubt := _doubt(intent, stock, taken):
        return replace(intent, state=IntentState.UNCLEAR, searched_at=None), doubt
    over = waited >= wait or stock.began >= intent.absent_at(wait)
    state = IntentState.ABSENT if intent.searched_at is not None and over else IntentState.UNCLEAR
    return replace(intent, state=state, searched_at=stock.began), None


def _doubt(intent: Intent, stock: OrderList, taken: Collection[str]) -> str | None:
    if stock.unreadable:
        return f"{stock.unreadable} rows of the provider's list are unreadable"
    shown = {seen.order_id: seen for seen in stock.orders}
    if gone := set(intent.before) - shown.keys():
        return f"the provider's list lacks orders that it showed before ({min(gone)})"
    for order_id in shown.keys() - {*taken, *intent.before}:
        if may_match(intent.request, shown[order_id]):
            return f"order {order_id} is new and may be this order, although it differs"
    return None


def describe_outcome(intent: Intent, resume: str, trouble: str | None = None) -> str:
    """Returns the outcome as a predicate; `resume` is the command to settle it, `trouble` a failed search."""
    failed = f" (the search for it failed: {trouble})" if trouble else ""
    match intent.state:
        case IntentState.REFUSED:
            return f"was rejected, nothing was ordered: {intent.reason}"
        case IntentState.UNSENT:
            return f"could not be sent, nothing was ordered: {intent.reason}"
        case IntentState.ABSENT:
            lacking = f"was sent, but not accepted: two complete lists of the provider lack it{failed}"
            return f"{lacking}; {resume} to send it again"
        case IntentState.FORGOTTEN:
            return "may or may not be placed, and is not searched for any more"
        case IntentState.SENDING:
            return f"is being sent, or was when orderwatch stopped{failed}; {resume} to find out"
        case _:
            doubt = f"may or may not be placed, and is not sent again: {intent.reason}{failed}"
            return f"{doubt}; {resume} to find out, and to send it again if it was not accepted"


def how_to_resume(intent: Intent) -> str:
    """Returns the command that settles an intent."""
    if intent.standing_order:
        return "copy its [[order]] to a file and run `orderwatch place FILE --resume`"
    return f"run `orderwatch place FILE --resume` with its file ({intent.provenance.source})"
