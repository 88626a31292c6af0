"""Which orders of an account are watched, and what is wanted of each."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from orderwatch.core.model import Order
from orderwatch.core.name_patterns import name_matches, status_matches
from orderwatch.core.orders.snapshot import OrderSnapshot


class OrderTraits(NamedTuple):
    """What of an order decides whether it is watched; `status` is the provider's word."""

    task_id: int
    project_name: str | None = None
    task_name: str | None = None
    placed_at: datetime | None = None
    status: str = ""
    ours: bool = False  # placed from here


def traits_of(order: Order | OrderSnapshot) -> OrderTraits:
    status = order.status if isinstance(order, OrderSnapshot) else order.status.word
    ours = isinstance(order, Order) and order.ours
    return OrderTraits(order.task_id, order.project_name, order.task_name, order.placed_at, status, ours)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPlan:
    """What becomes of a delivery; `root` is None for the delivery root."""

    attachments: frozenset[str]
    layout: str
    root: str | None = None
    extract: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Orders by id, or by shell patterns over names and status; an absent name counts as an empty one.

    Every order was placed once and has a status: where the provider leaves these out, they exclude nothing.
    `attachments`, `layout`, `root` and `extract` are wanted other than usual, where they are not None.
    """

    task_ids: frozenset[int] = frozenset()
    project_name: str | None = None
    task_name: str | None = None
    placed_after: datetime | None = None
    status: tuple[str, ...] = ()
    attachments: frozenset[str] | None = None
    layout: str | None = None
    root: str | None = None
    extract: bool | None = None

    @property
    def by_pattern(self) -> bool:
        return bool(self.project_name or self.task_name or self.placed_after or self.status)

    def matches_new(self, order: OrderTraits) -> bool:
        """Whether an order that is not known yet is wanted."""
        return order.task_id in self.task_ids or (self._fits(order) and self._has_status(order.status))

    def still_matches(self, order: OrderTraits) -> bool:
        """Whether a known order is still wanted: the status chose it once, and moves on."""
        return order.task_id in self.task_ids or self._fits(order)

    def _fits(self, order: OrderTraits) -> bool:
        return (
            self.by_pattern
            and _matches(self.project_name, order.project_name)
            and _matches(self.task_name, order.task_name)
            and self._is_young_enough(order.placed_at)
        )

    def _is_young_enough(self, placed_at: datetime | None) -> bool:
        return self.placed_after is None or placed_at is None or placed_at >= self.placed_after

    def _has_status(self, status: str) -> bool:
        return not (self.status and status) or any(status_matches(word, status) for word in self.status)

    def __str__(self) -> str:
        """As an operator would recognise it."""
        named = {
            "task_ids": sorted(self.task_ids) or None,
            "project_name": self.project_name,
            "task_name": self.task_name,
            "placed_after": self.placed_after and self.placed_after.isoformat(),
            "status": list(self.status) or None,
        }
        return ", ".join(f"{key} = {value!r}" for key, value in named.items() if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSet:
    """Everything that is watched of one account. An order that two watches want is one order."""

    usual: DeliveryPlan
    watches: tuple[Watch, ...] = ()

    @property
    def task_ids(self) -> frozenset[int]:
        return frozenset().union(*(watch.task_ids for watch in self.watches))

    @property
    def patterns(self) -> tuple[Watch, ...]:
        return tuple(watch for watch in self.watches if watch.by_pattern)

    def matches_new(self, order: OrderTraits) -> bool:
        return any(watch.matches_new(order) for watch in self.watches)

    def still_matches(self, order: OrderTraits) -> bool:
        return order.ours or bool(self.watches_of(order))

    def watches_of(self, order: OrderTraits) -> tuple[Watch, ...]:
        """Those that want an order that is known."""
        return tuple(watch for watch in self.watches if watch.still_matches(order))

    def delivery_plan(self, order: OrderTraits) -> DeliveryPlan:
        """Each part from the first watch that wants the order and says it, else the usual one."""
        wishes = self.watches_of(order)
        return DeliveryPlan(
            attachments=next((w.attachments for w in wishes if w.attachments), self.usual.attachments),
            layout=next((w.layout for w in wishes if w.layout), self.usual.layout),
            root=next((w.root for w in wishes if w.root), self.usual.root),
            extract=next((w.extract for w in wishes if w.extract is not None), self.usual.extract),
        )


def _matches(pattern: str | None, name: str | None) -> bool:
    return pattern is None or name_matches(pattern, name or "")
