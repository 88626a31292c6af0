"""Concerns, and the evidence that they are decided from."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orderwatch.core.formatting import printable
from orderwatch.core.model import Delivery, OrderPhase, OrderState, Subject
from orderwatch.core.notifications.problems import Problem
from orderwatch.core.order_names import OrderNames
from orderwatch.core.ordering.intent import Intent
from orderwatch.core.orders.status import NO_STATUS
from orderwatch.core.orders.watches import OrderTraits


class Reason(StrEnum):
    """Why a person is needed; the list is sorted in this order."""

    PROBLEM = "problem"  # a problem that has begun and not ended
    PARKED = "parked"  # a delivery that waits for space or an operator
    GIVEN_UP = "given_up"  # a delivery that is not retried any more
    ORDER_FAILED = "order_failed"  # an order that is final without any delivery
    LOST = "lost"  # an order for which the provider answers 404
    OVERDUE = "overdue"  # an order whose window is over without any delivery
    UNCONFIRMED = "unconfirmed"  # an order that may or may not be placed
    UNKNOWN_STATUS = "unknown_status"  # a status of the provider that orderwatch does not know

    @property
    def words(self) -> str:
        """The reason for display."""
        return self.replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One thing that needs a person.

    `name` is the attachment of a delivery, the name of an order, the event of a problem or the
    unknown status.
    """

    key: str
    reason: Reason
    since: datetime
    text: str
    remedy: str
    name: str | None = None
    account: str | None = None
    order_id: str | None = None
    task_id: int | None = None
    capture_id: str | None = None
    scene_id: str | None = None
    project_name: str | None = None
    channel: str | None = None  # of a problem with a notification channel
    acknowledged_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """A recorded concern, and when a person acknowledged it."""

    concern: Concern
    acknowledged_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """The facts that decide whether an order needs a person."""

    account: str
    order_id: str
    task_id: int | None
    project_name: str | None
    task_name: str | None
    placed_at: datetime | None
    word: str
    reason: str | None
    ours: bool
    phase: OrderPhase | None
    state: OrderState
    end: datetime | None
    final_at: datetime | None
    last_seen_at: datetime | None
    lost_at: datetime | None
    failing_since: datetime | None  # of its deliveries that are retried
    lacking_since: datetime | None  # of published captures without all their files
    has_file: bool
    is_coming: bool  # a delivery is not settled yet
    is_pending: bool  # a capture is not final yet

    @property
    def traits(self) -> OrderTraits:
        """The fields that decide whether it is watched."""
        return OrderTraits(
            self.order_id,
            self.task_id,
            self.project_name,
            self.task_name,
            self.placed_at,
            self.word,
            self.ours,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckDelivery:
    """A delivery that is parked or given up, or was and is retried."""

    delivery: Delivery
    names: OrderNames
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownWord:
    """An unknown status, with the order and capture that had it first."""

    subject: Subject
    word: str
    names: OrderNames
    capture_id: str | None
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All records that may need a person; `raised` are concerns by key."""

    problems: Sequence[Problem] = ()
    intents: Sequence[Intent] = ()
    deliveries: Sequence[StuckDelivery] = ()
    orders: Sequence[OrderFacts] = ()
    words: Sequence[UnknownWord] = ()
    raised: Mapping[str, Raised] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What counts: configured accounts, watched orders and unknown statuses."""

    accounts: Collection[str]
    is_watched: Callable[[str, OrderTraits], bool]
    knows: Callable[[Subject, str], bool]

    def has(self, names: OrderNames) -> bool:
        """Returns whether the order's account is configured."""
        return names.account in self.accounts

    def is_new(self, unknown: UnknownWord) -> bool:
        """Returns whether orderwatch does not know the status."""
        return unknown.word not in ("", NO_STATUS) and not self.knows(unknown.subject, unknown.word)

    def follows(self, order: OrderFacts) -> bool:
        """Returns whether the order is watched."""
        return order.account in self.accounts and self.is_watched(order.account, order.traits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The concerns that are new, and those that are over."""

    raised: Sequence[Concern] = ()
    cleared: Sequence[Concern] = ()
    forgotten: Collection[str] = ()  # keys of acknowledged concerns that are over: no notification

    def __bool__(self) -> bool:
        return bool(self.raised or self.cleared or self.forgotten)


def concern_key(reason: str, *parts: object) -> str:
    """Returns the key of a concern, as JSON so that it is unambiguous."""
    return json.dumps([str(reason), *parts], ensure_ascii=False)


def sentence(text: str, why: str) -> str:
    """Returns a printable sentence in one line, with its reason."""
    line = " ".join(printable(f"{text}: {why}" if why else text).split())
    return f"{line[:1].upper()}{line[1:]}."
