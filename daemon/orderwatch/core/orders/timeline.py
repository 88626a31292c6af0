"""An order's past and what is expected of it, on one line of time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from orderwatch.core.model import Capture, CapturePhase, Delivery, Order, OrderState
from orderwatch.core.orders.publication_lag import Lag

_MARGIN = 0.03  # of the whole, on either side
_SHORTEST = timedelta(minutes=1)
_STEPS = [
    timedelta(**{unit: number})
    for unit, numbers in {
        "minutes": (1, 5, 15),
        "hours": (1, 3, 6, 12),
        "days": (1, 2, 7, 14, 28, 91, 182, 365, 730, 3650),
    }.items()
    for number in numbers
]
_MOST_TICKS = 6
_DAY = timedelta(days=1)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)  # the first is a Monday


class Mark(NamedTuple):
    """A moment: planned, captured, published, stored or failed."""

    kind: str
    at: datetime


class Span(NamedTuple):
    """A stretch: processing, fetching, or when something is expected."""

    kind: str
    begins: datetime
    ends: datetime


class Row(NamedTuple):
    """What one capture did, and is expected to do."""

    capture: Capture
    spans: Sequence[Span]
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    begins: datetime
    ends: datetime
    now: datetime
    window: Span | None
    rows: Sequence[Row]

    def at(self, time: datetime) -> float:
        """Where on the line a time is, in percent; what lies beyond stands at its end."""
        part = (time - self.begins) / (self.ends - self.begins)
        return round(100 * min(max(part, 0.0), 1.0), 2)

    @property
    def shows_now(self) -> bool:
        return self.begins < self.now < self.ends

    @property
    def ticks(self) -> Sequence[datetime]:
        """A few round moments."""
        step = self._step
        first = -((_FIRST - self.begins) // step)
        found = (_moved(_FIRST, (first + n) * step) for n in range(_MOST_TICKS + 1))
        return [time for time in found if self.begins < time < self.ends]

    @property
    def by_day(self) -> bool:
        """Whether the ticks are days, and no times of day."""
        return self._step >= _DAY

    @property
    def _step(self) -> timedelta:
        length = self.ends - self.begins
        return next((step for step in _STEPS if length / step <= _MOST_TICKS), length)


def timeline(order: Order, now: datetime, lag: Lag) -> Timeline | None:
    """None where nothing of it has a time."""
    rows = [_row(order, capture, now, lag) for capture in order.captures]
    window = Span("window", order.start, order.end) if order.start and order.end else None
    times = list(_times(order, window, rows))
    if not times:
        return None
    if order.state is OrderState.OPEN:
        times.append(now)
    length = max(max(times) - min(times), _SHORTEST)
    return Timeline(
        begins=_moved(min(times), -_MARGIN * length),
        ends=_moved(min(times), (1 + _MARGIN) * length),
        now=now,
        window=window,
        rows=rows,
    )


def _times(order: Order, window: Span | None, rows: Sequence[Row]) -> Iterator[datetime]:
    yield from (time for time in (order.placed_at, order.start, order.end) if time)
    if window:
        yield from window[1:]
    for row in rows:
        yield from (mark.at for mark in row.marks)
        yield from (time for span in row.spans for time in span[1:])


def _row(order: Order, capture: Capture, now: datetime, lag: Lag) -> Row:
    stored = _stored_at(order.deliveries_of(capture.capture_id))
    marks, spans = [], []
    start, published = capture.start, capture.published_at
    if start:
        marks.append(Mark(_kind(capture, start, now), start))
        if published and published > start:
            spans.append(Span("processing", start, published))
        elif not capture.status.final:
            low, high = (lag.median * factor for factor in lag.quartiles)
            spans.append(Span("expected", _moved(start, low), _moved(start, high)))
    if published:
        marks.append(Mark("published", published))
    if stored:
        if published and stored > published:
            spans.append(Span("fetching", published, stored))
        marks.append(Mark("stored", stored))
    return Row(capture, spans, marks)


def _kind(capture: Capture, start: datetime, now: datetime) -> str:
    if capture.failed:
        return "failed"
    if capture.status.phase in {CapturePhase.PLANNED, CapturePhase.TASKED, None} or start > now:
        return "planned"
    return "captured"


def _stored_at(deliveries: Sequence[Delivery]) -> datetime | None:
    """When the last of them came; None while one is lacking."""
    times = [d.stored_at for d in deliveries if d.stored_at]
    return max(times) if times and all(d.state.settled for d in deliveries) else None


def _moved(time: datetime, by: timedelta) -> datetime:
    """As far as there are dates."""
    try:
        return time + by
    except OverflowError:
        return _LAST if by > timedelta(0) else _FIRST
