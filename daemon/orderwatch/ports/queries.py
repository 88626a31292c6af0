"""The database, as whoever looks at it asks: a page of orders at a time, and what moved since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from orderwatch.core.attention.concern import Concern
from orderwatch.core.model import Delivery, DeliveryState, Order, OrderState, Transition
from orderwatch.core.notifications.problems import Problem
from orderwatch.core.ordering.intent import Intent
from orderwatch.core.statistics import Counts, MetricCounts
from orderwatch.ports.store import AccountState


class Sort(StrEnum):
    """What a list of orders can be sorted by; what has no such value comes last, either way."""

    TASK_ID = "task_id"
    NAME = "name"
    STATUS = "status"
    STATE = "state"
    START = "start"
    END = "end"
    NEXT_LOOK = "next_look"
    MOVED = "moved"  # by their last recorded move
    ATTENTION = "attention"  # what needs a person first, then by their last recorded move


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """`text` is part of the id or a name of the order, or of a satellite, capture or scene; None is any."""

    text: str = ""
    account: str | None = None
    project: str | None = None
    status: str | None = None  # the provider's word as it came
    state: OrderState | None = None
    attention: bool = False  # only orders that need a person
    sort: Sort = Sort.TASK_ID
    descending: bool = False
    offset: int = 0
    limit: int = 100


class Found(NamedTuple):
    """A page of what was searched for, and how many there are in all."""

    orders: Sequence[Order]
    total: int


class Choices(NamedTuple):
    """What can be filtered by: every value that some order has."""

    accounts: Sequence[str]
    projects: Sequence[str]
    statuses: Sequence[str]
    states: Sequence[str]


class News(NamedTuple):
    """One look: moves with their numbers, account and id of orders looked at, and what is being fetched."""

    newest: int  # number of a move
    moves: Sequence[tuple[int, Transition]]
    touched: Sequence[tuple[str, int]]
    fetching: Sequence[Delivery]


class Records(Protocol):
    """Reads only, each call as of one moment. Raises `DatabaseError`."""

    async def find(self, search: Search) -> Found: ...

    async def versions(self, search: Search) -> Sequence[tuple[int, int]]:
        """The same page: the row of each order, and how often it was written."""
        ...

    async def orders_at(self, rows: Sequence[int]) -> Mapping[int, Order]:
        """The orders of these rows."""
        ...

    async def order(self, account: str, task_id: int) -> Order | None: ...

    async def history(self, task_id: int, account: str | None = None) -> Sequence[Transition]:
        """Every recorded move of the order, or of those of this id in any account, oldest first."""
        ...

    async def moves_after(self, number: int) -> Sequence[tuple[int, Transition]]:
        """Moves of any order recorded after the one of this number, numbered, oldest first."""
        ...

    async def last_moves(self, before: int | None, limit: int) -> Sequence[tuple[int, Transition]]:
        """So many moves recorded before the one of this number, or ever; numbered, newest first."""
        ...

    async def newest_move(self) -> int:
        """The number of the move recorded last; 0 where there is none."""
        ...

    async def news(self, after: int, most: int, since: datetime) -> News:
        """At most so many moves recorded after the one of this number, and orders looked at since then."""
        ...

    async def deliveries(self, *states: DeliveryState) -> Sequence[Delivery]:
        """Deliveries in these states, oldest first."""
        ...

    async def accounts(self) -> Mapping[str, AccountState]:
        """What is known of each account that was ever asked."""
        ...

    async def intents(self, account: str | None = None, *, unsettled: bool = False) -> Sequence[Intent]:
        """What was ever meant to be ordered, oldest first; or only what nobody knows the end of."""
        ...

    async def lags(self, newest: int) -> Sequence[tuple[str | None, timedelta]]:
        """From taken to published, by product, of the captures that were published under our eyes."""
        ...

    async def problems(self) -> Mapping[str, Problem]:
        """What has not ended, by its key; what began first comes first."""
        ...

    async def census(self) -> MetricCounts:
        """How many there are of what."""
        ...

    async def counts(self) -> Counts:
        """How many orders and deliveries there are in each state, in two statements."""
        ...

    async def choices(self) -> Choices: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen:
    """`state` is fine, unavailable or refused; `swept_at` when all that was due had been asked for last."""

    name: str
    state: str
    swept_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSeen:
    """`room` in bytes is what may still be written, None where that cannot be asked.

    `shortage` says why what is published would not be stored.
    """

    root: str
    usable: bool
    room: int | None
    shortage: str | None = None

    @property
    def is_fine(self) -> bool:
        """Whether what is published is stored there."""
        return self.usable and self.shortage is None


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardQueries:
    """What the page begins with; `attention` is what needs a person and was not acknowledged."""

    accounts: Sequence[AccountSeen]
    trees: Sequence[TreeSeen]
    attention: Sequence[Concern]
    counts: Counts = field(default_factory=Counts)

    @property
    def is_well(self) -> bool:
        """Whether nothing needs a person, every account answers and every tree takes what is published."""
        accounts = all(account.state == "fine" for account in self.accounts)
        return not self.attention and accounts and all(tree.is_fine for tree in self.trees)

    @property
    def verdict(self) -> str:
        """The first thing that is read."""
        if not self.accounts:
            return "Starting"
        if self.is_well:
            return "All is well"
        number = len(self.attention)
        if not number:
            return "An account or a folder is in trouble"
        return f"{number} things need you" if number > 1 else "One thing needs you"
