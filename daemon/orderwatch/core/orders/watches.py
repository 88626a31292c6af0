"""Which orders of an account are watched, and how their files are delivered."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import NamedTuple

from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.model import Order, OrderKey
from orderwatch.core.orders.snapshot import OrderSnapshot

_SEPARATORS = re.compile(r"[\s_-]+")


def fold_name(name: str) -> str:
    """Returns the name in NFKC with white space folded, so that names that look equal are equal."""
    return " ".join(unicodedata.normalize("NFKC", name).split())


def fold_status(word: str) -> str:
    """Returns a status without case, with blank, `-` and `_` equal: "In Progress" is "in_progress"."""
    return _SEPARATORS.sub("_", fold_name(word).casefold())


def name_matches(pattern: str, name: str) -> bool:
    """Returns whether the name matches, with case; a pattern equal to the name always matches."""
    return _fits(fold_name(pattern), fold_name(name))


def status_matches(pattern: str, word: str) -> bool:
    """Returns whether the folded status matches; in brackets `-` still makes a range."""
    return _fits(fold_status(pattern), fold_status(word)) or fnmatchcase(word.lower(), pattern.lower())


def _fits(pattern: str, text: str) -> bool:
    return pattern == text or fnmatchcase(text, pattern)


class OrderTraits(NamedTuple):
    """The fields that decide whether an order is watched; `status` is the provider's."""

    order_id: str
    task_id: int | None = None
    project_name: str | None = None
    task_name: str | None = None
    placed_at: datetime | None = None
    status: str = ""
    ours: bool = False  # placed by orderwatch

    @property
    def key(self) -> OrderKey:
        return OrderKey(self.order_id, self.task_id)


def traits_of(order: Order | OrderSnapshot) -> OrderTraits:
    status = order.status if isinstance(order, OrderSnapshot) else order.status.word
    ours = isinstance(order, Order) and order.ours
    return OrderTraits(
        order.order_id, order.task_id, order.project_name, order.task_name, order.placed_at, status, ours
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPlan:
    """What is fetched, and where to; `root` is None for the delivery root."""

    attachments: WantedAttachments
    layout: str
    root: str | None = None
    extract: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Orders by id, or by shell patterns over names and status; an absent name counts as an empty one.

    `order_ids` can be requested one by one. `task_ids` that are none of them are found in the list.

    A date or status that the provider leaves out excludes nothing. `attachments`, `layout`, `root` and
    `extract` override the delivery settings if they are not None.
    """

    order_ids: frozenset[str] = frozenset()
    task_ids: frozenset[int] = frozenset()
    project_name: str | None = None
    task_name: str | None = None
    placed_after: datetime | None = None
    status: tuple[str, ...] = ()
    attachments: WantedAttachments | None = None
    layout: str | None = None
    root: str | None = None
    extract: bool | None = None

    @property
    def needs_list(self) -> bool:
        """Whether only the provider's list shows which orders it matches."""
        return self.by_pattern or any(str(task_id) not in self.order_ids for task_id in self.task_ids)

    @property
    def by_pattern(self) -> bool:
        return bool(self.project_name or self.task_name or self.placed_after or self.status)

    @property
    def order_keys(self) -> frozenset[OrderKey]:
        numbers = {str(task_id): task_id for task_id in self.task_ids}
        return frozenset(OrderKey(order_id, numbers.get(order_id)) for order_id in self.order_ids)

    def matches_new(self, order: OrderTraits) -> bool:
        """Returns whether a new order is watched."""
        return self._has_id(order) or (self._fits(order) and self._has_status(order.status))

    def still_matches(self, order: OrderTraits) -> bool:
        """Returns whether a known order is still watched; its status only counted when it was new."""
        return self._has_id(order) or self._fits(order)

    def _has_id(self, order: OrderTraits) -> bool:
        return order.order_id in self.order_ids or order.task_id in self.task_ids

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
        """Returns the watch as it is written in the configuration."""
        named = {
            "task_ids": sorted(self.task_ids) or None,
            "order_ids": sorted(self.order_ids - set(map(str, self.task_ids))) or None,
            "project_name": self.project_name,
            "task_name": self.task_name,
            "placed_after": self.placed_after and self.placed_after.isoformat(),
            "status": list(self.status) or None,
        }
        return ", ".join(f"{key} = {value!r}" for key, value in named.items() if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSet:
    """The watches of one account; an order that several of them match is watched once."""

    usual: DeliveryPlan
    watches: tuple[Watch, ...] = ()

    @property
    def order_keys(self) -> frozenset[OrderKey]:
        """The orders that can be requested one by one."""
        return frozenset().union(*(watch.order_keys for watch in self.watches))

    @property
    def listed(self) -> tuple[Watch, ...]:
        """The watches that need the list."""
        return tuple(watch for watch in self.watches if watch.needs_list)

    @property
    def extracts(self) -> bool:
        """Whether zips of any order are extracted."""
        return self.usual.extract or any(watch.extract for watch in self.watches)

    def matches_new(self, order: OrderTraits) -> bool:
        return any(watch.matches_new(order) for watch in self.watches)

    def still_matches(self, order: OrderTraits) -> bool:
        return order.ours or bool(self.watches_of(order))

    def watches_of(self, order: OrderTraits) -> tuple[Watch, ...]:
        """Returns the watches that match a known order."""
        return tuple(watch for watch in self.watches if watch.still_matches(order))

    def delivery_plan(self, order: OrderTraits) -> DeliveryPlan:
        """Returns each setting from the first matching watch that has it, else from the defaults."""
        watches = self.watches_of(order)
        return DeliveryPlan(
            attachments=next((w.attachments for w in watches if w.attachments), self.usual.attachments),
            layout=next((w.layout for w in watches if w.layout), self.usual.layout),
            root=next((w.root for w in watches if w.root), self.usual.root),
            extract=next((w.extract for w in watches if w.extract is not None), self.usual.extract),
        )


def _matches(pattern: str | None, name: str | None) -> bool:
    return pattern is None or name_matches(pattern, name or "")
