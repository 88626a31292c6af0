"""When an order is looked at again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.samples import DAY, HOUR, MINUTE, NOON, capture, delivery, order, stored

from orderwatch.core.cadence import Pace, next_look, scenes_due
from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    OrderPhase,
    OrderState,
)

PACE = Pace(interval=5 * MINUTE, slowest=6 * HOUR, grace=14 * DAY)
MIDDLE = 0.5  # the draw that jitters nothing


def open_order(**more: datetime | tuple[Capture, ...]) -> Order:
    return replace(order(), **more)  # type: ignore[arg-type]  # fields of an order


def settling(since: datetime = NOON, *captures: Capture, deliveries: tuple[Delivery, ...] = ()) -> Order:
    return order(
        OrderPhase.COMPLETED, OrderState.SETTLING, captures=captures, deliveries=deliveries, final_at=since
    )


def pause(known: Order, now: datetime = NOON, spread: float = MIDDLE) -> timedelta:
    when = next_look(known, now, PACE, spread)
    assert when is not None
    return when - now


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (open_order(), 5 * MINUTE),
        (open_order(start=NOON), 5 * MINUTE),
        (open_order(start=NOON - DAY), 5 * MINUTE),
        (open_order(start=NOON + MINUTE), 5 * MINUTE),
        (open_order(start=NOON + HOUR), HOUR),
        (open_order(start=NOON + 90 * DAY), 6 * HOUR),
        (open_order(start=NOON + 90 * DAY, captures=(capture(CapturePhase.PLANNED),)), 5 * MINUTE),
        (order(state=OrderState.LOST), 6 * HOUR),
    ],
    ids=["no-window", "opens", "open", "soon", "in-an-hour", "far", "far-with-capture", "lost"],
)
def test_an_order_waits_for_its_window_and_is_watched_closely_within(
    known: Order, expected: timedelta
) -> None:
    assert pause(known) == expected


def test_a_done_order_is_never_looked_at_again() -> None:
    assert next_look(order(state=OrderState.DONE), NOON, PACE, MIDDLE) is None


@pytest.mark.parametrize(("spread", "expected"), [(0.0, 270), (0.5, 300), (0.999, 330)])
def test_the_jitter_is_a_tenth_to_either_side(spread: float, expected: int) -> None:
    assert pause(open_order(), spread=spread).total_seconds() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("passed", "rung"),
    [
        (timedelta(0), 5 * MINUTE),
        (5 * MINUTE, 15 * MINUTE),
        (15 * MINUTE, 45 * MINUTE),
        (45 * MINUTE, HOUR),
        (HOUR, 6 * HOUR),
        (6 * HOUR, DAY),
        (DAY, 3 * DAY),
        (3 * DAY, 7 * DAY),
        (7 * DAY, 14 * DAY),
        (13 * DAY, 14 * DAY),
    ],
)
def test_a_settling_order_climbs_the_grace_ladder(passed: timedelta, rung: timedelta) -> None:
    assert next_look(settling(), NOON + passed, PACE, MIDDLE) == NOON + rung


def test_the_ladder_ends_at_a_short_grace() -> None:
    short = replace(PACE, grace=20 * MINUTE)
    assert next_look(settling(), NOON + 15 * MINUTE, short, MIDDLE) == NOON + 20 * MINUTE


def test_a_capture_published_late_has_a_ladder_of_its_own() -> None:
    late = capture(published_at=NOON + 5 * DAY)
    known = settling(NOON, late, deliveries=(stored(),))
    assert next_look(known, NOON + 5 * DAY, PACE, MIDDLE) == NOON + 5 * DAY + 5 * MINUTE


@pytest.mark.parametrize(
    ("passed", "expected"),
    [(timedelta(0), 5 * MINUTE), (10 * HOUR, HOUR), (20 * DAY, 6 * HOUR), (-HOUR, 5 * MINUTE)],
)
def test_a_final_order_that_still_owes_something_is_looked_at_ever_more_slowly(
    passed: timedelta, expected: timedelta
) -> None:
    for owing in (capture(CapturePhase.PROCESSING), capture(published_at=NOON)):
        assert pause(settling(NOON, owing), NOON + passed) == expected


class TestScenesDue:
    shown = capture(published_at=NOON, scenes_seen_at=NOON)

    def due(self, known: Capture, now: datetime, *deliveries: Delivery) -> bool:
        return scenes_due(order(captures=[known], deliveries=deliveries), known, now, PACE)

    def test_not_before_it_is_published(self) -> None:
        assert not self.due(capture(CapturePhase.PROCESSING), NOON)

    def test_always_when_they_were_never_seen(self) -> None:
        assert self.due(capture(published_at=NOON), NOON, stored())

    def test_always_while_no_zip_is_offered(self) -> None:
        assert self.due(self.shown, NOON)

    def test_always_while_something_wanted_is_not_offered(self) -> None:
        assert self.due(replace(self.shown, lacking=True), NOON, stored())

    @pytest.mark.parametrize("state", DeliveryState)
    def test_what_is_offered_is_the_fetchers(self, state: DeliveryState) -> None:
        assert not self.due(self.shown, NOON, stored(), delivery(state, version=2))

    def test_at_least_hourly_while_the_order_is_open(self) -> None:
        seen = replace(self.shown, scenes_seen_at=NOON + 7 * HOUR)
        assert not self.due(seen, NOON + 7 * HOUR + 59 * MINUTE, stored())
        assert self.due(seen, NOON + 8 * HOUR, stored())

    def test_later_only_on_the_rungs_of_the_ladder(self) -> None:
        assert not self.due(self.shown, NOON + 4 * MINUTE, stored())
        assert self.due(self.shown, NOON + 5 * MINUTE, stored())
        seen_again = replace(self.shown, scenes_seen_at=NOON + 5 * MINUTE)
        assert not self.due(seen_again, NOON + 14 * MINUTE, stored())
        assert self.due(seen_again, NOON + 15 * MINUTE, stored())

    def test_beyond_a_short_grace_once_a_week(self) -> None:
        short = replace(PACE, grace=20 * MINUTE)
        seen = replace(self.shown, scenes_seen_at=NOON + 20 * MINUTE)
        known = order(captures=[seen], deliveries=[stored()], state=OrderState.SETTLING)
        assert not scenes_due(known, seen, NOON + 6 * DAY, short)
        assert scenes_due(known, seen, NOON + 20 * MINUTE + 7 * DAY, short)


paces = st.builds(
    lambda interval, slower, grace: Pace(interval=interval, slowest=interval + slower, grace=grace),
    st.timedeltas(timedelta(milliseconds=1), DAY),
    st.timedeltas(timedelta(0), 30 * DAY),
    st.timedeltas(timedelta(milliseconds=1), 400 * DAY),
)
moments = st.timedeltas(-100 * DAY, 100 * DAY).map(lambda delta: NOON + delta)
captures = st.builds(
    lambda phase, published: capture(phase, published_at=published),
    st.sampled_from(CapturePhase),
    st.none() | moments,
)
known_orders: st.SearchStrategy[Order] = st.builds(
    lambda state, shown, held, final_at, start: order(
        state=state, captures=shown, deliveries=held, final_at=final_at, start=start
    ),
    st.sampled_from(OrderState),
    st.lists(captures, max_size=2),
    st.lists(st.sampled_from(DeliveryState).map(delivery), max_size=2),
    st.none() | moments,
    st.none() | moments,
)
spreads = st.floats(0, 1, exclude_max=True)


@given(known_orders, paces, spreads)
def test_the_next_look_is_never_before_now_and_never_beyond_the_slowest_pace(
    known: Order, pace: Pace, spread: float
) -> None:
    when = next_look(known, NOON, pace, spread)
    if known.state is OrderState.DONE:
        assert when is None
        return
    assert when is not None
    assert when > NOON
    if known.state in {OrderState.OPEN, OrderState.LOST}:
        assert when <= NOON + 1.1 * pace.slowest


@given(paces, st.integers(0, 40))
def test_the_ladder_always_goes_up_and_reaches_the_end_of_the_grace(pace: Pace, looks: int) -> None:
    """However many looks were taken, none falls on the one before, and one falls on the end."""
    known, now = settling(), NOON
    seen = []
    for _ in range(looks):
        later = next_look(known, now, pace, MIDDLE)
        assert later is not None
        assert later > now
        now = later
        seen.append(now)
    if looks > 9:
        assert NOON + pace.grace in seen


def test_every_state_of_an_order_has_a_cadence() -> None:
    next_of: Callable[[OrderState], datetime | None] = lambda state: next_look(  # noqa: E731 - one line says it
        order(state=state), NOON, PACE, MIDDLE
    )
    assert {state for state in OrderState if next_of(state) is None} == {OrderState.DONE}
