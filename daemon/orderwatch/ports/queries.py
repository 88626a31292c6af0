"""Reading for people: a page of orders at a time, the history, and statistics."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from orderwatch.core.model import Delivery, Order, OrderState, Transition
from orderwatch.core.orders.latency_report import ReportBuilder
from orderwatch.core.orders.recent_changes import FoldedMove
from orderwatch.core.statistics import Counts, MetricCounts, Summary
from orderwatch.ports.orders import Detail


class Sort(StrEnum):
    """What a list of orders can be sorted by; orders without the value come last in both directions."""

    ORDER_ID = "order_id"
    NAME = "name"
    STATUS = "status"
    STATE = "state"
    PRODUCT = "product"
    PRIORITY = "priority"
    PLACED = "placed"
    START = "start"
    END = "end"
    NEXT_LOOK = "next_look"
    CAPTURES = "captures"  # how many
    STORED = "stored"  # how many files
    BYTES = "bytes"  # of stored files
    MOVED = "moved"  # by the last recorded transition
    ATTENTION = "attention"  # orders that need a person, then by the last transition


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """`text` is part of the id or name of an order, satellite, capture or scene; None matches any."""

    text: str = ""
    account: str | None = None
    project: str | None = None
    status: str | None = None  # the provider's, as received
    state: OrderState | None = None
    attention: bool = False  # only orders that need a person
    sort: Sort = Sort.ORDER_ID
    descending: bool = False
    offset: int = 0
    limit: int = 100


class Found(NamedTuple):
    """A page of the matching orders, and the number of all matches."""

    orders: Sequence[Order]
    total: int


class FoundRows(NamedTuple):
    """Row and version of each order of a page, and the number of all matches."""

    versions: Sequence[tuple[int, int]]
    total: int


class Choices(NamedTuple):
    """The values to filter by: those that some order has."""

    accounts: Sequence[str]
    projects: Sequence[str]
    statuses: Sequence[str]
    states: Sequence[str]


class News(NamedTuple):
    """New transitions with their numbers, the polled orders (account and id), and what is as it is now."""

    newest: int  # number of a transition
    moves: Sequence[tuple[int, Transition]]
    touched: Sequence[tuple[str, str]]
    attention: Collection[str]  # keys of recorded concerns that are not acknowledged
    fetching: Sequence[Delivery]


class OrderSearch(Protocol):
    """A page of orders at a time. Raises `DatabaseError`."""

    async def find(self, search: Search, detail: Detail = Detail.ALL) -> Found: ...

    async def versions(self, search: Search) -> FoundRows: ...

    async def in_rows(self, rows: Sequence[int], detail: Detail) -> Mapping[int, Order]: ...

    async def choices(self) -> Choices: ...


class History(Protocol):
    """Every recorded transition, numbered in the order of recording. Raises `DatabaseError`."""

    async def of_order(self, name: str, account: str | None = None) -> Sequence[Transition]:
        """Return the transitions of the order, or of this id in any account, oldest first."""
        ...

    async def folded(self, order_id: str, account: str) -> Sequence[FoldedMove]:
        """Return the transitions of the order, oldest first; the usual steps of many files are one each."""
        ...

    async def moved_at(self, order_id: str, account: str) -> datetime | None:
        """Return when the order or a capture last changed."""
        ...

    async def after(self, number: int) -> Sequence[tuple[int, Transition]]:
        """Return the transitions recorded after this number, with theirs, oldest first."""
        ...

    async def newest(self, before: int | None, limit: int) -> Sequence[tuple[int, Transition]]:
        """Return the last transitions recorded, or the last before this number, newest first."""
        ...

    async def newest_number(self) -> int:
        """Return the number of the last transition; 0 if there is none."""
        ...

    async def news(self, after: int, limit: int, since: datetime) -> News:
        """Return at most `limit` transitions after this number, and the orders polled since then."""
        ...

    async def publication_lags(self, newest: int) -> Sequence[tuple[str | None, timedelta]]:
        """Return the spans from taken to published, by product, of captures seen before publication."""
        ...


class Statistics(Protocol):
    """Counts and spans over all rows. Raises `DatabaseError`."""

    async def counts(self) -> Counts:
        """Count orders and deliveries by state, in two statements."""
        ...

    async def metric_counts(self) -> MetricCounts:
        """Count everything that metrics show, by account; takes a fraction of a second over many rows."""
        ...

    async def largest_parked(self) -> Mapping[str | None, int]:
        """Return by root how many bytes the largest of its parked deliveries still lacks."""
        ...

    async def summary(self, limit: int, transitions: int) -> Summary:
        """Return the counts, at most `limit` orders worth seeing, and the newest transitions."""
        ...

    async def fill_report(self, report: ReportBuilder) -> None:
        """Add all rows that the report is made of, of one snapshot; documents are not loaded."""
        ...
