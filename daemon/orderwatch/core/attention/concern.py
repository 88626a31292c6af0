"""What may need a person: the evidence, what counts, and what was found."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orderwatch.core.model import Delivery, OrderPhase, OrderState, Subject
from orderwatch.core.notifications.problems import Problem
from orderwatch.core.order_names import OrderNames
from orderwatch.core.ordering.intent import Intent
from orderwatch.core.orders.status import NO_STATUS
from orderwatch.core.orders.watches import OrderTraits


class Reason(StrEnum):
    """Why a person is needed; the list is sorted in this order."""

    PROBLEM = "problem"  # something that the log said began and has not ended
    PARKED = "parked"  # a delivery that waits for space or for an operator
    GIVEN_UP = "given_up"  # a delivery that is not tried any more
    ORDER_FAILED = "order_failed"  # an order that is final, and nothing of it was delivered
    LOST = "lost"  # an order that the provider answers with 404
    OVERDUE = "overdue"  # an order whose window is over, and nothing came or is about to
    UNCONFIRMED = "unconfirmed"  # an order that may or may not be placed
    UNKNOWN_STATUS = "unknown_status"  # a word of the provider's that orderwatch does not know

    @property
    def words(self) -> str:
        """The reason as people read it."""
        return self.replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One thing that needs a person.

    `name` is the attachment of a delivery, the name of an order, the event of a problem, or the unknown word.
    """

    key: str
    reason: Reason
    since: datetime
    text: str
    remedy: str
    name: str | None = None
    account: str | None = None
    task_id: int | None = None
    capture_id: str | None = None
    scene_id: str | None = None
    project_name: str | None = None
    channel: str | None = None  # the notification channel that a problem is about
    acknowledged_at: datetime | None = None

    @property
    def order_id(self) -> str | None:
        """The order's key, as text."""
        return None if self.task_id is None else str(self.task_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """A concern as it was raised, and when a person acknowledged it."""

    concern: Concern
    acknowledged_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """What decides whether an order needs a person."""

    account: str
    task_id: int
    project_name: str | None
    task_name: str | None
    placed_at: datetime | None
    word: str
    ours: bool
    phase: OrderPhase | None
    state: OrderState
    end: datetime | None
    final_at: datetime | None
    last_seen_at: datetime | None
    lost_at: datetime | None
    failing_since: datetime | None  # wanted so long, and tried again and again
    lacking_since: datetime | None  # published so long, and not all of its files are offered
    has_file: bool
    is_coming: bool  # some delivery of it is not settled yet
    is_pending: bool  # some capture of it is not final yet

    @property
    def traits(self) -> OrderTraits:
        """What decides whether it is watched."""
        return OrderTraits(
            self.task_id, self.project_name, self.task_name, self.placed_at, self.word, self.ours
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckDelivery:
    """A delivery that is parked or given up, or is tried again after that."""

    delivery: Delivery
    names: OrderNames
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownWord:
    """A status that orderwatch does not know, with the order and capture that had it first."""

    subject: Subject
    word: str
    names: OrderNames
    capture_id: str | None
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything recorded that may need a person; `raised` are by their keys."""

    problems: Sequence[Problem] = ()
    intents: Sequence[Intent] = ()
    deliveries: Sequence[StuckDelivery] = ()
    orders: Sequence[OrderFacts] = ()
    words: Sequence[UnknownWord] = ()
    raised: Mapping[str, Raised] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What counts: configured accounts, orders that are watched, and the words that orderwatch knows."""

    accounts: Collection[str]
    is_watched: Callable[[str, OrderTraits], bool]
    knows: Callable[[Subject, str], bool]

    def has(self, names: OrderNames) -> bool:
        """Whether the order's account is configured."""
        return names.account in self.accounts

    def is_new(self, unknown: UnknownWord) -> bool:
        """Whether the provider's word is a word that orderwatch does not know."""
        return unknown.word not in ("", NO_STATUS) and not self.knows(unknown.subject, unknown.word)

    def follows(self, order: OrderFacts) -> bool:
        """Whether the order is watched."""
        return order.account in self.accounts and self.is_watched(order.account, order.traits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What to record: concerns that are new, and those that are over."""

    raised: Sequence[Concern] = ()
    cleared: Sequence[Concern] = ()
    forgotten: Collection[str] = ()  # keys of what was acknowledged and is over: nobody is notified

    def __bool__(self) -> bool:
        return bool(self.raised or self.cleared or self.forgotten)
