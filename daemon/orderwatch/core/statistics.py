"""Counts and summaries for displays and metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orderwatch.core.actions.pauses import NO_PAUSES, Pauses
from orderwatch.core.attention.concern import Concern
from orderwatch.core.model import Delivery, DeliveryState, Order, OrderState, Transition
from orderwatch.core.queue.backlog import TO_COME, Backlog


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Numbers of orders and deliveries by state."""

    orders: Mapping[OrderState, int] = field(default_factory=dict)
    deliveries: Mapping[DeliveryState, int] = field(default_factory=dict)

    @property
    def open(self) -> int:
        """The number of open orders."""
        return self.orders.get(OrderState.OPEN, 0)

    @property
    def to_come(self) -> int:
        """The number of deliveries that are still downloaded."""
        return sum(self.deliveries.get(state, 0) for state in TO_COME)

    @property
    def stored(self) -> int:
        return self.deliveries.get(DeliveryState.STORED, 0)

    @property
    def given_up(self) -> int:
        return self.deliveries.get(DeliveryState.GIVEN_UP, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Counts, and the first rows of each list.

    `orders` are active or in trouble, then those polled soonest; `moves` are the latest, oldest first.
    """

    counts: Counts = field(default_factory=Counts)
    orders: Sequence[Order] = ()
    running: Sequence[Delivery] = ()
    moves: Sequence[Transition] = ()
    attention: Sequence[Concern] = ()  # not acknowledged
    pauses: Pauses = NO_PAUSES
    backlog: Backlog = field(default_factory=Backlog)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricCounts:
    """Numbers by account and state (captures: phase, None for an unknown status)."""

    orders: Mapping[tuple[str, str], int] = field(default_factory=dict)
    captures: Mapping[tuple[str, str | None], int] = field(default_factory=dict)
    deliveries: Mapping[tuple[str, str], int] = field(default_factory=dict)
    intents: Mapping[tuple[str, str], int] = field(default_factory=dict)
    stored_bytes: Mapping[str, int] = field(default_factory=dict)  # by account
    listed_at: Mapping[str, datetime] = field(default_factory=dict)  # the last complete list, by account
    oldest: Mapping[str, datetime] = field(default_factory=dict)  # publication that is not stored yet
    notes: Mapping[str, int] = field(default_factory=dict)  # unsent, by channel
    largest_parked: Mapping[str | None, int] = field(default_factory=dict)  # missing bytes, by root
