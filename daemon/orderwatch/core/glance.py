"""What there is to see at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orderwatch.core.concern import Concern
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
class Glance:
    """Counts of everything, and of what is many only so much as was asked for.

    `orders` are those that move or are in trouble, then those due soonest; `moves` the newest, oldest first.
    """

    counts: Counts = field(default_factory=Counts)
    orders: Sequence[Order] = ()
    running: Sequence[Delivery] = ()
    moves: Sequence[Transition] = ()
    attention: Sequence[Concern] = ()  # what needs a person and was not acknowledged
