"""An order's line of time: what is on it, and where."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    OrderPhase,
    OrderState,
    TrackedStatus,
)
from orderwatch.core.orders.publication_lag import PRIOR
from orderwatch.core.orders.timeline import Timeline, timeline

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def an_order(
    *captures: Capture,
    deliveries: tuple[Delivery, ...] = (),
    start: datetime | None = None,
    end: datetime | None = None,
    state: OrderState = OrderState.OPEN,
) -> Order:
    return Order(
        account="main",
        order_id="1",
        task_id=1,
        status=TrackedStatus(word="in_progress", phase=OrderPhase.IN_PROGRESS),
        state=state,
        start=start,
        end=end,
        captures=captures,
        deliveries=deliveries,
    )


def a_capture(phase: CapturePhase, start: datetime | None, published: datetime | None = None) -> Capture:
    standing = TrackedStatus(word=str(phase), phase=phase)
    return Capture(capture_id="c", status=standing, start=start, published_at=published)


def a_file(stored_at: datetime | None) -> Delivery:
    return Delivery(
        account="main",
        order_id="1",
        task_id=1,
        capture_id="c",
        scene_id="s",
        attachment="delivery_zip",
        file_name="s.zip",
        fingerprint="f",
        state=DeliveryState.STORED if stored_at else DeliveryState.FETCHING,
        stored_at=stored_at,
    )


def drawn(order: Order, now: datetime = NOON) -> Timeline:
    found = timeline(order, now, PRIOR)
    assert found is not None
    return found


def test_an_order_without_any_time_has_no_line() -> None:
    assert timeline(an_order(), NOON, PRIOR) is None


def test_a_stored_capture_shows_what_it_went_through() -> None:
    capture = a_capture(CapturePhase.PUBLISHED, NOON - 5 * HOUR, NOON - 2 * HOUR)
    row = drawn(an_order(capture, deliveries=(a_file(NOON - HOUR),))).rows[0]
    assert [(mark.kind, mark.at) for mark in row.marks] == [
        ("captured", NOON - 5 * HOUR),
        ("published", NOON - 2 * HOUR),
        ("stored", NOON - HOUR),
    ]
    assert [span.kind for span in row.spans] == ["processing", "fetching"]


def test_what_is_not_all_here_is_not_stored() -> None:
    capture = a_capture(CapturePhase.PUBLISHED, NOON - 5 * HOUR, NOON - 2 * HOUR)
    files = (a_file(NOON - HOUR), a_file(None))
    assert "stored" not in [mark.kind for mark in drawn(an_order(capture, deliveries=files)).rows[0].marks]


def test_a_planned_capture_shows_when_it_is_expected() -> None:
    row = drawn(an_order(a_capture(CapturePhase.PLANNED, NOON + HOUR))).rows[0]
    assert [mark.kind for mark in row.marks] == ["planned"]
    [expected] = row.spans
    assert expected.kind == "expected"
    assert NOON + HOUR < expected.begins < NOON + HOUR + PRIOR.median < expected.ends


def test_of_a_failed_capture_nothing_is_expected() -> None:
    row = drawn(an_order(a_capture(CapturePhase.FAILED, NOON - HOUR))).rows[0]
    assert [mark.kind for mark in row.marks] == ["failed"]
    assert not row.spans


def test_the_present_is_on_the_line_of_an_open_order_only() -> None:
    start, end = NOON - 40 * DAY, NOON - 30 * DAY
    assert drawn(an_order(start=start, end=end)).shows_now
    assert not drawn(an_order(start=start, end=end, state=OrderState.DONE)).shows_now


def test_a_line_of_a_week_is_marked_by_days() -> None:
    line = drawn(an_order(start=NOON - 3 * DAY, end=NOON + 3 * DAY))
    assert line.by_day
    assert all(tick.time() == datetime.min.time() for tick in line.ticks)
    assert line.at(line.begins) == 0
    assert line.at(line.ends) == 100


times = st.datetimes(timezones=st.just(UTC))


@given(start=times, end=times, taken=times, now=times)
def test_any_times_give_a_line(start: datetime, end: datetime, taken: datetime, now: datetime) -> None:
    line = drawn(an_order(a_capture(CapturePhase.TASKED, taken), start=start, end=end), now)
    assert line.begins < line.ends
    assert all(line.begins < tick < line.ends for tick in line.ticks)
    assert len(line.ticks) <= 7
    assert 0 <= line.at(taken) <= 100
