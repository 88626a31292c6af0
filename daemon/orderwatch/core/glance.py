"""What there is to see at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orderwatch.core.model import Delivery, DeliveryState, Order, OrderState, Transition
from orderwatch.core.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """Counts of everything, and of what is many only so much as was asked for.

    `orders` are those that move or are in trouble, then those due soonest; `moves` the newest, oldest first.
    """

    counts: Mapping[OrderState, int] = field(default_factory=dict)
    deliveries: Mapping[DeliveryState, int] = field(default_factory=dict)
    orders: Sequence[Order] = ()
    running: Sequence[Delivery] = ()
    moves: Sequence[Transition] = ()
    problems: Sequence[Problem] = ()
