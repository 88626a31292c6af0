"""What there is to see at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orderwatch.core.attention.concern import Concern
from orderwatch.core.model import UNFINISHED, Delivery, DeliveryState, Order, OrderState, Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many orders and deliveries there are in each of our states."""

    orders: Mapping[OrderState, int] = field(default_factory=dict)
    deliveries: Mapping[DeliveryState, int] = field(default_factory=dict)

    @property
    def open(self) -> int:
        """Orders."""
        return self.orders.get(OrderState.OPEN, 0)

    @property
    def to_come(self) -> int:
        """Deliveries, as the others."""
        return sum(self.deliveries.get(state, 0) for state in UNFINISHED) - self.given_up

    @property
    def stored(self) -> int:
        return self.deliveries.get(DeliveryState.STORED, 0)

    @property
    def given_up(self) -> int:
        return self.deliveries.get(DeliveryState.GIVEN_UP, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Counts of everything, and of what is many only so much as was asked for.

    `orders` are those that move or are in trouble, then those due soonest; `moves` the newest, oldest first.
    """

    counts: Counts = field(default_factory=Counts)
    orders: Sequence[Order] = ()
    running: Sequence[Delivery] = ()
    moves: Sequence[Transition] = ()
    attention: Sequence[Concern] = ()  # what needs a person and was not acknowledged


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricCounts:
    """Counts by account and state (captures: phase, None for a word that nobody knows)."""

    orders: Mapping[tuple[str, str], int] = field(default_factory=dict)
    captures: Mapping[tuple[str, str | None], int] = field(default_factory=dict)
    deliveries: Mapping[tuple[str, str], int] = field(default_factory=dict)
    intents: Mapping[tuple[str, str], int] = field(default_factory=dict)
    stored_bytes: Mapping[str, int] = field(default_factory=dict)  # by account
    listed_at: Mapping[str, datetime] = field(default_factory=dict)  # the last whole list, by account
    oldest: Mapping[str, datetime] = field(default_factory=dict)  # publication of what is not stored yet
    notes: Mapping[str, int] = field(default_factory=dict)  # untold, by channel
    largest_parked: Mapping[str | None, int] = field(default_factory=dict)  # bytes it still lacks, by root
