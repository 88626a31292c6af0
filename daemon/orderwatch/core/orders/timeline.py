"""The timeline of an order: what happened, and what is expected."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from orderwatch.core.model import Capture, CapturePhase, FileCount, Order, OrderState
from orderwatch.core.orders.publication_lag import Lag

_MARGIN_SHARE = 0.03  # of the length, on either side
_MIN_LENGTH = timedelta(minutes=1)
_TICK_STEPS = [
    timedelta(**{unit: number})
    for unit, numbers in {
        "minutes": (1, 5, 15),
        "hours": (1, 3, 6, 12),
        "days": (1, 2, 7, 14, 28, 91, 182, 365, 730, 3650),
    }.items()
    for number in numbers
]
_MAX_TICKS = 6
_DAY = timedelta(days=1)
_MIN_TIME = datetime.min.replace(tzinfo=UTC)  # a Monday
_MAX_TIME = datetime.max.replace(tzinfo=UTC)


class Mark(NamedTuple):
    """A point in time; `kind` is planned, captured, published, stored or failed."""

    kind: str
    at: datetime


class Span(NamedTuple):
    """A period; `kind` is window, processing, fetching or expected."""

    kind: str
    begins: datetime
    ends: datetime


class Row(NamedTuple):
    """The periods and points in time of one capture."""

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
        """Returns the position of a time in percent, from 0 to 100."""
        part = (time - self.begins) / (self.ends - self.begins)
        return round(100 * min(max(part, 0.0), 1.0), 2)

    @property
    def shows_now(self) -> bool:
        return self.begins < self.now < self.ends

    @property
    def ticks(self) -> Sequence[datetime]:
        """A few round times."""
        step = self._step
        first = -((_MIN_TIME - self.begins) // step)
        found = (shifted(_MIN_TIME, (first + n) * step) for n in range(_MAX_TICKS + 1))
        return [time for time in found if self.begins < time < self.ends]

    @property
    def by_day(self) -> bool:
        """Whether the ticks are days rather than times of day."""
        return self._step >= _DAY

    @property
    def _step(self) -> timedelta:
        length = self.ends - self.begins
        return next((step for step in _TICK_STEPS if length / step <= _MAX_TICKS), length)


def timeline(order: Order, now: datetime, lag: Lag) -> Timeline | None:
    """Returns the timeline of an order, None if it has no times."""
    rows = [_row(order, capture, now, lag) for capture in order.captures]
    window = Span("window", order.start, order.end) if order.start and order.end else None
    times = list(_times(order, window, rows))
    if not times:
        return None
    if order.state is OrderState.OPEN:
        times.append(now)
    length = max(max(times) - min(times), _MIN_LENGTH)
    return Timeline(
        begins=shifted(min(times), -_MARGIN_SHARE * length),
        ends=shifted(min(times), (1 + _MARGIN_SHARE) * length),
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
    stored = _stored_at(order.files_of(capture.capture_id))
    marks, spans = [], []
    start, published = capture.start, capture.published_at
    if start:
        marks.append(Mark(_kind(capture, start, now), start))
        if published and published > start:
            spans.append(Span("processing", start, published))
        elif not capture.status.final:
            low, high = (lag.median * factor for factor in lag.quartiles)
            spans.append(Span("expected", shifted(start, low), shifted(start, high)))
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


def _stored_at(files: Sequence[FileCount]) -> datetime | None:
    """Returns when the last of them was stored; None until all are."""
    times = [some.stored_at for some in files if some.stored_at]
    return max(times) if times and all(some.state.settled for some in files) else None


def shifted(time: datetime, by: timedelta) -> datetime:
    """Returns the shifted time, within the range of dates."""
    try:
        return time + by
    except OverflowError:
        return _MAX_TIME if by > timedelta(0) else _MIN_TIME
