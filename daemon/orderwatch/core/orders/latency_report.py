"""The latency report, from the recorded rows and status changes."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from orderwatch.core.model import CapturePhase, DeliveryState, OrderPhase, Subject
from orderwatch.core.orders.watches import fold_status

_TAKEN_PHASES = frozenset({CapturePhase.CAPTURED, CapturePhase.PROCESSING, CapturePhase.PUBLISHED})
_ZERO = timedelta(0)
_SUBJECTS = list(Subject)
# Known states in their order; unknown ones come last.
_STATE_RANKS = {word.value: n for n, word in enumerate((*OrderPhase, *CapturePhase, *DeliveryState))}


class OrderRow(NamedTuple):
    """An order without its document; `word` is the provider's status."""

    account: str
    order_id: str
    task_id: int | None
    task_name: str | None
    project_name: str | None
    product: str | None
    word: str
    state: str
    placed_at: datetime | None
    end: datetime | None


class ChangeRow(NamedTuple):
    at: datetime
    account: str
    order_id: str
    capture_id: str | None
    scene_id: str | None
    subject: str
    before: str | None
    after: str


class CaptureRow(NamedTuple):
    account: str
    order_id: str
    capture_id: str
    phase: str | None
    start: datetime | None
    published_at: datetime | None


class StoredRow(NamedTuple):
    """A stored delivery; `published_at` is its capture's."""

    account: str
    order_id: str
    version: int
    published_at: datetime | None
    stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures of `count` durations; the median and 90th percentile are None without any."""

    count: int
    median: timedelta | None
    p90: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Orders of one account, project and product."""

    account: str
    project_name: str | None
    product: str | None
    orders: int
    placed_to_first_capture: Figures
    capture_to_published: Figures
    published_to_stored: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Dwell:
    """How long orders, captures or deliveries stayed in a state that they have left."""

    subject: Subject
    state: str
    spans: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    at: datetime
    groups: Sequence[Group]
    dwell: Sequence[Dwell]
    overdue: Sequence[OrderRow]  # past their end with nothing stored, oldest end first


@dataclass(slots=True)
class _Spans:
    """The durations of one group."""

    orders: int = 0
    to_published: list[timedelta] = field(default_factory=list)
    to_stored: list[timedelta] = field(default_factory=list)


_OrderKey = tuple[str, str]
_GroupKey = tuple[str, str | None, str | None]


class ReportBuilder:
    """Builds the report from rows: orders and status changes first, then captures and stored deliveries."""

    def __init__(self) -> None:
        self._orders: dict[_OrderKey, OrderRow] = {}
        self._groups: defaultdict[_GroupKey, _Spans] = defaultdict(_Spans)
        self._first_capture: dict[_OrderKey, datetime] = {}
        self._stored: set[_OrderKey] = set()
        self._met: dict[tuple[str, str, str | None], datetime] = {}  # when captures were first seen
        self._entered: dict[tuple[object, ...], list[datetime]] = {}
        self._stays: defaultdict[tuple[Subject, str], list[timedelta]] = defaultdict(list)

    def order(self, row: OrderRow) -> None:
        self._orders[row.account, row.order_id] = row
        self._group(row).orders += 1

    def move(self, row: ChangeRow) -> None:
        """Adds a status change, oldest first.

        It does not name the attachment: of several in one state, the first one in leaves first.
        """
        if row.before == row.after:
            return  # an action that did not change the status
        key = (row.subject, row.account, row.order_id, row.capture_id, row.scene_id)
        left = (*key, row.before)
        if row.before is not None and (entered := self._entered.pop(left, [])):
            self._stays[Subject(row.subject), row.before].append(row.at - entered.pop(0))
            if entered:
                self._entered[left] = entered
        self._entered.setdefault((*key, row.after), []).append(row.at)
        if row.subject == Subject.CAPTURE:
            self._met.setdefault((row.account, row.order_id, row.capture_id), row.at)

    def capture(self, row: CaptureRow) -> None:
        if row.start is None or row.phase not in _TAKEN_PHASES:
            return
        key = row.account, row.order_id
        self._first_capture[key] = min(row.start, self._first_capture.get(key, row.start))
        met_at = self._met.get((*key, row.capture_id))
        if row.published_at is not None and met_at is not None and met_at < row.published_at:
            self._group(self._orders[key]).to_published.append(row.published_at - row.start)

    def stored(self, row: StoredRow) -> None:
        key = row.account, row.order_id
        self._stored.add(key)
        if row.version == 1 and row.published_at is not None:
            self._group(self._orders[key]).to_stored.append(row.stored_at - row.published_at)

    def report(self, now: datetime) -> Report:
        waits: defaultdict[_GroupKey, list[timedelta]] = defaultdict(list)
        for key, taken_at in self._first_capture.items():
            order = self._orders[key]
            if order.placed_at is not None:
                waits[_group_key(order)].append(taken_at - order.placed_at)
        return Report(
            at=now,
            groups=[
                Group(
                    account=key[0],
                    project_name=key[1],
                    product=key[2],
                    orders=spans.orders,
                    placed_to_first_capture=figures(waits[key]),
                    capture_to_published=figures(spans.to_published),
                    published_to_stored=figures(spans.to_stored),
                )
                for key, spans in sorted(self._groups.items(), key=lambda item: _absent_first(item[0]))
            ],
            dwell=[
                Dwell(subject=subject, state=state, spans=figures(stays))
                for (subject, state), stays in sorted(self._stays.items(), key=lambda item: _rank(*item[0]))
            ],
            overdue=[order for _, order in sorted(self._overdue(now))],
        )

    def _group(self, row: OrderRow) -> _Spans:
        return self._groups[_group_key(row)]

    def _overdue(self, now: datetime) -> Iterator[tuple[tuple[datetime, _OrderKey], OrderRow]]:
        for key, order in self._orders.items():
            if order.end is not None and order.end < now and key not in self._stored:
                yield (order.end, key), order


def figures(spans: Collection[timedelta]) -> Figures:
    """Returns median and 90th percentile by nearest rank; a negative duration (two clocks) counts as 0."""
    ranked = sorted(max(span, _ZERO) for span in spans)
    return Figures(count=len(ranked), median=_percentile(ranked, 50), p90=_percentile(ranked, 90))


def _percentile(ranked: Sequence[timedelta], percent: int) -> timedelta | None:
    rank = -(-len(ranked) * percent // 100)  # rounded up
    return ranked[rank - 1] if ranked else None


def _group_key(row: OrderRow) -> _GroupKey:
    return row.account, row.project_name, row.product


def _absent_first(key: _GroupKey) -> tuple[tuple[bool, str], ...]:
    return tuple((name is not None, name or "") for name in key)


def _rank(subject: Subject, state: str) -> tuple[int, int, str]:
    return _SUBJECTS.index(subject), _STATE_RANKS.get(fold_status(state), len(_STATE_RANKS)), state
