"""The entries of the agenda, made of what is known of orders and captures."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from orderwatch.core.model import Capture, CapturePhase, Order, OrderPhase, OrderState
from orderwatch.core.orders.publication_lag import Lag, Lags
from orderwatch.core.orders.timeline import shifted

_STEP = timedelta(minutes=15)  # of expected times: a finer one would only change with each new estimate
_LATE_SHARE = 0.95  # of the captures of a product: so many are published sooner than a late one
_UNCERTAIN = {CapturePhase.PLANNED, None}
_TAKEN = {CapturePhase.CAPTURED, CapturePhase.PROCESSING, CapturePhase.PUBLISHED}
_VOID = {OrderPhase.CANCELED, OrderPhase.REJECTED}


class EntryKind(StrEnum):
    """What an entry of the agenda is about."""

    WINDOW = "window"  # in which an order may be fulfilled
    CAPTURE = "capture"
    PUBLICATION = "publication"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry: a period, or a point in time if it has no `end`.

    `state` is planned, open or over, or the order's status, of a window; the status of a capture; expected,
    late or published of a publication. An entry is `void` if it was canceled or failed. `revision` grows
    with each poll of the order, at the latest at `revised_at`.
    """

    kind: EntryKind
    start: datetime
    end: datetime | None = None
    state: str
    tentative: bool = False
    void: bool = False
    account: str
    order_id: str
    task_id: int | None
    task_name: str | None
    project_name: str | None
    capture_id: str | None = None
    satellite_name: str | None = None
    revision: int
    revised_at: datetime

    @property
    def order_name(self) -> str:
        return self.task_name or f"order {self.order_id}"

    @property
    def words(self) -> str:
        """What it is, without the order."""
        match self.kind:
            case EntryKind.WINDOW:
                return f"window {self.state}"
            case EntryKind.CAPTURE:
                taken = "captured" if self.state in _TAKEN else f"capture {self.state}"
                return f"{taken}, {self.satellite_name}" if self.satellite_name else taken
            case EntryKind.PUBLICATION:
                return "published" if self.state == "published" else f"publication {self.state}"

    def overlaps(self, since: datetime, until: datetime) -> bool:
        """Returns whether a part of it is within the period, without its end."""
        return self.start < until and (self.end or self.start) >= since


def entries_of(orders: Iterable[Order], lags: Lags, now: datetime) -> list[Entry]:
    """Returns the entries of all orders by their start."""
    found = [entry for order in orders for entry in _of_order(order, lags.of(order.product), now)]
    return sorted(found, key=lambda e: (e.start, e.account, e.order_id, e.kind, e.capture_id or ""))


def _of_order(order: Order, lag: Lag, now: datetime) -> Iterator[Entry]:
    start = order.start or order.end
    if start is not None:
        yield _entry(
            order,
            EntryKind.WINDOW,
            start,
            _window_state(order, start, now),
            end=order.end if order.end and order.end > start else None,
            void=order.status.phase in _VOID or order.state is OrderState.LOST,
        )
    for capture in order.captures:
        yield from _of_capture(order, capture, lag, now)


def _window_state(order: Order, start: datetime, now: datetime) -> str:
    if order.state is OrderState.LOST:
        return order.state
    if order.status.phase is not None and order.status.final:
        return order.status.phase
    if start > now:
        return "planned"
    return "over" if order.end and order.end <= now else "open"


def _of_capture(order: Order, capture: Capture, lag: Lag, now: datetime) -> Iterator[Entry]:
    start, published = capture.start, capture.published_at
    if start is not None:
        yield _entry(
            order,
            EntryKind.CAPTURE,
            start,
            capture.status.phase or capture.status.word,
            capture,
            tentative=capture.status.phase in _UNCERTAIN,
            void=capture.failed,
        )
    if published is not None:
        yield _entry(order, EntryKind.PUBLICATION, published, "published", capture)
    elif start is not None and not capture.status.final:
        earliest, latest = (_rounded(shifted(start, lag.median * factor)) for factor in lag.quartiles)
        latest = shifted(latest, _STEP)
        is_late = lag.published_by((now - start).total_seconds()) >= _LATE_SHARE
        state = "late" if is_late else "expected"
        kind = EntryKind.PUBLICATION
        yield _entry(order, kind, earliest, state, capture, end=latest, tentative=True)


def _entry(
    order: Order,
    kind: EntryKind,
    start: datetime,
    state: str,
    capture: Capture | None = None,
    *,
    end: datetime | None = None,
    tentative: bool = False,
    void: bool = False,
) -> Entry:
    return Entry(
        kind=kind,
        start=start,
        end=end,
        state=state,
        tentative=tentative,
        void=void,
        account=order.account,
        order_id=order.order_id,
        task_id=order.task_id,
        task_name=order.task_name,
        project_name=order.project_name,
        capture_id=capture.capture_id if capture else None,
        satellite_name=capture.satellite_name if capture else None,
        revision=order.version,
        revised_at=order.last_seen_at or order.placed_at or start,
    )


def _rounded(time: datetime) -> datetime:
    """Returns the last full step before a time."""
    return time - (time - datetime.min.replace(tzinfo=UTC)) % _STEP
