"""When an order is looked at again, and why then."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.samples import DAY, HOUR, MINUTE, NOON, capture, delivery, order, stored

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
from orderwatch.core.orders.completeness import PARTS_SETTLE, may_get_parts
from orderwatch.core.orders.poll_schedule import Outlook, Pace, is_idle, next_look, outlook, scenes_due
from orderwatch.core.orders.publication_lag import Lag, Lags

PACE = Pace(interval=5 * MINUTE, max_interval=6 * HOUR, grace=14 * DAY)
MIDDLE = 0.5  # the draw that jitters nothing

WINDOW = "the opening of its window"
FILES = "files of a published capture"
CHANGE = "what follows a recent change"
ONE = "the publication of a capture"
TWO = "the publication of 2 captures"
TOMORROW = "a capture planned for 2026-11-23 12:00 UTC"
SOME_TIME = "captures without a planned time"
FIRST, FURTHER = "the first capture", "further captures"
LATE = "late or republished scenes"
AFTER_ALL = "late captures"
AGAIN = "that the provider shows the order again"
LAST = "the download of its last files"
PARTS = "further parts of a capture"


def about(minutes: float) -> Any:  # noqa: ANN401 - whatever pytest compares with
    """What the model says, not a rule: near enough."""
    return pytest.approx(minutes, rel=0.2)


def opened(*captures: Capture, ago: timedelta = 10 * DAY, **more: Any) -> Order:  # noqa: ANN401 - of any field
    """An open order in the midst of its window."""
    window = {"start": NOON - ago, "end": NOON - ago + 90 * DAY}
    return order(captures=captures, **{**window, **more})


def settling(since: datetime = NOON, *captures: Capture, deliveries: tuple[Delivery, ...] = ()) -> Order:
    return order(
        OrderPhase.COMPLETED, OrderState.SETTLING, captures=captures, deliveries=deliveries, final_at=since
    )


def taken(ago: timedelta, capture_id: str = "c1") -> Capture:
    return capture(CapturePhase.PROCESSING, capture_id=capture_id, start=NOON - ago)


def planned(ahead: timedelta, capture_id: str = "c1") -> Capture:
    return capture(CapturePhase.PLANNED, capture_id=capture_id, start=NOON + ahead)


def shown(ago: timedelta, capture_id: str = "c1", **more: Any) -> Capture:  # noqa: ANN401 - of any field
    return capture(capture_id=capture_id, published_at=NOON - ago, **more)


def in_parts(ago: timedelta, changed: timedelta, seen: timedelta = timedelta(0)) -> Capture:
    """A capture whose parts come one by one, the last one that long ago."""
    return shown(ago, parts_changed_at=NOON - changed, scenes_seen_at=NOON - seen)


def lost(ago: timedelta) -> Order:
    return order(state=OrderState.LOST, looked_at=NOON - ago)


def doubted(ago: timedelta) -> Order:
    standing = TrackedStatus(word="in_progress", phase=OrderPhase.COMPLETED, doubts=1, doubted_at=NOON - ago)
    return replace(settling(NOON - DAY), status=standing)


# Situation, the order as it was seen just now, the pause in minutes, what is awaited.
DECISIONS: list[tuple[str, Order, Any, str]] = [
    ("the window opens in ninety days", order(start=NOON + 90 * DAY), 360, WINDOW),
    ("the window opens in an hour", order(OrderPhase.RECEIVED, start=NOON + HOUR), 60, WINDOW),
    ("the window opens in a minute", order(OrderPhase.RECEIVED, start=NOON + MINUTE), 5, WINDOW),
    ("in progress, opens in 15 hours", order(start=NOON + 15 * HOUR), 60, WINDOW),
    ("in progress, opens in an hour or in another zone", order(start=NOON + HOUR), about(70), FIRST),
    ("something was published an hour ago, no zip yet", opened(shown(HOUR)), 5, FILES),
    ("... 23 hours ago", opened(shown(23 * HOUR)), 5, FILES),
    ("... two days ago", opened(shown(2 * DAY)), 120, FILES),
    ("... ten days ago", opened(shown(10 * DAY)), 360, FILES),
    ("... of two the newer counts", opened(shown(9 * DAY), shown(2 * DAY, "c2")), 120, FILES),
    ("one of two files is there", opened(shown(HOUR, lacking=True), deliveries=(stored(),)), 5, FILES),
    ("... also when the order is final", settling(NOON - DAY, shown(2 * DAY)), 120, FILES),
    ("taken an hour ago", opened(taken(HOUR)), 5, ONE),
    ("two were taken", opened(taken(HOUR), taken(2 * DAY, "c2")), 5, TWO),
    ("taken, and another is planned", opened(taken(HOUR), planned(DAY, "c2")), 5, ONE),
    ("taken three days ago", opened(taken(3 * DAY)), about(30), ONE),
    ("taken weeks ago, nothing else can come", opened(taken(40 * DAY), end=NOON - DAY), 90, ONE),
    ("one is planned for tomorrow", opened(planned(DAY)), about(70), TOMORROW),
    ("two are planned, the next counts", opened(planned(9 * DAY), planned(DAY, "c2")), about(70), TOMORROW),
    ("planned, nobody says when", opened(capture(CapturePhase.PLANNED)), about(70), SOME_TIME),
    ("no window is told", order(), about(70), FIRST),
    ("the window has just opened", opened(ago=timedelta(0)), about(70), FIRST),
    ("the window is over without a capture", opened(end=NOON - DAY), 90, FIRST),
    ("what was taken is stored", opened(shown(DAY), deliveries=(stored(),)), about(70), FURTHER),
    ("it failed", opened(capture(CapturePhase.FAILED)), about(70), FURTHER),
    ("final, a capture is open", settling(NOON - HOUR, taken(HOUR)), 5, ONE),
    ("final, one was taken weeks ago", settling(NOON - 3 * DAY, taken(40 * DAY)), 360, ONE),
    ("just final, one was taken weeks ago", settling(NOON, taken(40 * DAY)), 20, ONE),
    ("its final word was contradicted an hour ago", doubted(HOUR), 5, CHANGE),
    ("... and for longer than a day", doubted(25 * HOUR), 2 * 24 * 60, AFTER_ALL),
    ("just final, all stored", settling(NOON, shown(HOUR), deliveries=(stored(),)), 5, LATE),
    ("just final without a capture", settling(NOON), 5, AFTER_ALL),
    ("final for two days without a capture", settling(NOON - 2 * DAY), 24 * 60, AFTER_ALL),
    ("a part has just come", opened(in_parts(HOUR, 0 * HOUR), deliveries=(stored(),)), 5, PARTS),
    ("... an hour ago", opened(in_parts(DAY, HOUR), deliveries=(stored(),)), about(70), FURTHER),
    ("... five hours and a half", opened(in_parts(DAY, 5.5 * HOUR), deliveries=(stored(),)), 30, PARTS),
    ("... and were enough", opened(in_parts(DAY, 6 * HOUR), deliveries=(stored(),)), about(70), FURTHER),
    (
        "final, a part has just come",
        settling(NOON, in_parts(DAY, 0 * HOUR), deliveries=(stored(),)),
        5,
        PARTS,
    ),
    ("... an hour ago", settling(NOON - DAY, in_parts(DAY, HOUR), deliveries=(stored(),)), 5 * 60, PARTS),
    (
        "... beyond its grace",
        settling(NOON - 15 * DAY, in_parts(DAY, 5 * HOUR), deliveries=(stored(),)),
        60,
        PARTS,
    ),
    ("beyond its grace, not all stored", settling(NOON - 15 * DAY), 360, LAST),
    ("lost a minute after a look", lost(MINUTE), 5, AGAIN),
    ("lost, looked at two hours ago", lost(2 * HOUR), 30, AGAIN),
    ("lost for weeks", lost(20 * DAY), 360, AGAIN),
    ("never shown", order(state=OrderState.LOST), 90, AGAIN),
]


@pytest.mark.parametrize(
    ("known", "minutes", "awaited"),
    [pytest.param(*decision, id=situation) for situation, *decision in DECISIONS],
)
def test_each_situation_has_its_pause_and_its_reason(known: Order, minutes: object, awaited: str) -> None:
    found = outlook(known, NOON, PACE)
    assert found.awaited == awaited
    assert found.pause is not None
    assert found.pause / MINUTE == minutes


def test_a_done_order_is_never_looked_at_again() -> None:
    done = order(state=OrderState.DONE)
    assert outlook(done, NOON, PACE) == Outlook(awaited="nothing: it is done", pause=None)
    assert next_look(done, NOON, PACE, MIDDLE) is None


@pytest.mark.parametrize(
    ("known", "awaited"),
    [
        (opened(), CHANGE),
        (opened(planned(DAY)), CHANGE),
        (settling(NOON - 2 * DAY), CHANGE),
        (settling(NOON - 15 * DAY), CHANGE),
        (opened(shown(HOUR)), FILES),
    ],
)
def test_after_a_change_the_next_look_is_soon(known: Order, awaited: str) -> None:
    assert outlook(known, NOON, PACE, moved=True) == Outlook(awaited=awaited, pause=5 * MINUTE)


@pytest.mark.parametrize(
    "known", [order(start=NOON + 90 * DAY), order(state=OrderState.LOST), order(state=OrderState.DONE)]
)
def test_a_change_hastens_nothing_where_nothing_can_follow(known: Order) -> None:
    assert outlook(known, NOON, PACE, moved=True) == outlook(known, NOON, PACE)


def test_the_lag_of_its_own_product_tells_how_long_a_capture_takes() -> None:
    slow = Lags({"L1": Lag(median=48 * HOUR, sigma=0.5)})
    fresh = opened(taken(timedelta(0)), product="L1")
    learned = outlook(fresh, NOON, PACE, lags=slow)
    unknown = outlook(replace(fresh, product="L2"), NOON, PACE, lags=slow)
    assert learned.awaited == unknown.awaited == ONE
    assert learned.pause == 20 * MINUTE  # which is the most, once something was taken
    assert unknown.pause is not None
    assert unknown.pause < learned.pause


def test_an_order_that_had_many_captures_is_expected_to_get_more() -> None:
    files = tuple(stored(capture_id=str(number)) for number in range(9))
    many = opened(*(shown(DAY, str(number)) for number in range(9)), deliveries=files)
    few = opened(shown(DAY, "0"), deliveries=files[:1])
    sooner, later = (outlook(known, NOON, PACE).pause for known in (many, few))
    assert sooner is not None
    assert later is not None
    assert sooner < later


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (order(OrderPhase.RECEIVED, start=NOON + MINUTE), True),
        (order(start=NOON + 15 * HOUR), True),
        (order(start=NOON + 13 * HOUR), False),
        (order(start=NOON), False),
        (order(), False),
        (order(start=NOON + DAY, captures=[planned(2 * DAY)]), False),
        (order(OrderPhase.REJECTED, OrderState.SETTLING, start=NOON + DAY), False),
        (order(state=OrderState.LOST, start=NOON + DAY), False),
    ],
    ids=[
        "before",
        "in progress",
        "in another zone",
        "opens now",
        "no window",
        "with a capture",
        "final",
        "lost",
    ],
)
def test_only_an_open_order_before_its_window_and_without_captures_is_idle(
    known: Order,
    expected: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert is_idle(known, NOON) is expected


@pytest.mark.parametrize(("spread", "expected"), [(0.0, 270), (0.5, 300), (0.999, 330)])
def test_the_jitter_is_a_tenth_to_either_side(spread: float, expected: int) -> None:
    when = next_look(opened(taken(HOUR)), NOON, PACE, spread)
    assert when is not None
    assert (when - NOON).total_seconds() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("spread", [0.0, MIDDLE, 0.999])
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
def test_a_settling_order_meets_the_rungs_of_the_grace_ladder_whatever_the_jitter(
    passed: timedelta, rung: timedelta, spread: float
) -> None:
    assert next_look(settling(), NOON + passed, PACE, spread) == NOON + rung


def test_the_ladder_ends_at_a_short_grace() -> None:
    short = replace(PACE, grace=20 * MINUTE)
    assert next_look(settling(), NOON + 15 * MINUTE, short, MIDDLE) == NOON + 20 * MINUTE


def test_a_capture_published_late_has_a_ladder_of_its_own() -> None:
    late = capture(published_at=NOON + 5 * DAY)
    known = settling(NOON, late, deliveries=(stored(),))
    assert next_look(known, NOON + 5 * DAY, PACE, MIDDLE) == NOON + 5 * DAY + 5 * MINUTE


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

    def test_from_the_last_part_on_the_ladder_begins_again(self) -> None:
        seen = replace(self.shown, parts_changed_at=NOON + DAY, scenes_seen_at=NOON + DAY)
        known = order(captures=[seen], deliveries=[stored()], state=OrderState.SETTLING)
        assert not scenes_due(known, seen, NOON + DAY + 4 * MINUTE, PACE)
        assert scenes_due(known, seen, NOON + DAY + 5 * MINUTE, PACE)

    def test_parts_are_confirmed_also_beyond_a_short_grace(self) -> None:
        short = replace(PACE, grace=20 * MINUTE)
        seen = replace(self.shown, parts_changed_at=NOON, scenes_seen_at=NOON + HOUR)
        known = order(captures=[seen], deliveries=[stored()], state=OrderState.SETTLING)
        assert not scenes_due(known, seen, NOON + PARTS_SETTLE - MINUTE, short)
        assert scenes_due(known, seen, NOON + PARTS_SETTLE, short)
        confirmed = replace(seen, scenes_seen_at=NOON + PARTS_SETTLE)
        assert not scenes_due(known, confirmed, NOON + 6 * DAY, short)

    def test_beyond_a_short_grace_once_a_week(self) -> None:
        short = replace(PACE, grace=20 * MINUTE)
        seen = replace(self.shown, scenes_seen_at=NOON + 20 * MINUTE)
        known = order(captures=[seen], deliveries=[stored()], state=OrderState.SETTLING)
        assert not scenes_due(known, seen, NOON + 6 * DAY, short)
        assert scenes_due(known, seen, NOON + 20 * MINUTE + 7 * DAY, short)


paces = st.builds(
    lambda interval, slower, grace: Pace(interval=interval, max_interval=interval + slower, grace=grace),
    st.timedeltas(timedelta(milliseconds=1), DAY),
    st.timedeltas(timedelta(0), 30 * DAY),
    st.timedeltas(timedelta(milliseconds=1), 400 * DAY),
)
moments = st.timedeltas(-100 * DAY, 100 * DAY).map(lambda delta: NOON + delta)
captures = st.builds(
    lambda phase, published, changed, seen, start, lacking: capture(
        phase,
        published_at=published,
        parts_changed_at=changed,
        scenes_seen_at=seen,
        start=start,
        lacking=lacking,
    ),
    st.sampled_from(CapturePhase),
    st.none() | moments,
    st.none() | moments,
    st.none() | moments,
    st.none() | moments,
    st.booleans(),
)
standings = st.builds(
    TrackedStatus,
    word=st.just("completed"),
    phase=st.sampled_from(OrderPhase),
    doubts=st.integers(0, 3),
    doubted_at=st.none() | moments,
)
lags = st.builds(Lag, median=st.timedeltas(MINUTE, 90 * DAY), sigma=st.floats(0.3, 1.5)).map(
    lambda lag: Lags({None: lag})
)
known_orders: st.SearchStrategy[Order] = st.builds(
    lambda state, standing, captures, held, final_at, window: order(
        state=state,
        status=standing,
        captures=captures,
        deliveries=held,
        final_at=final_at,
        start=window[0],
        end=window[1],
    ),
    st.sampled_from(OrderState),
    standings,
    st.lists(captures, max_size=3),
    st.lists(st.sampled_from(DeliveryState).map(delivery), max_size=2),
    st.none() | moments,
    st.tuples(st.none() | moments, st.none() | moments),
)
spreads = st.floats(0, 1, exclude_max=True)


@given(known=known_orders, pace=paces, spread=spreads, learned=lags, moved=st.booleans())
def test_the_next_look_is_never_before_now_and_never_beyond_the_slowest_pace(
    *, known: Order, pace: Pace, spread: float, learned: Lags, moved: bool
) -> None:
    when = next_look(known, NOON, pace, spread, lags=learned, moved=moved)
    if known.state is OrderState.DONE:
        assert when is None
        return
    assert when is not None
    assert when > NOON
    on_the_ladder = outlook(known, NOON, pace, lags=learned, moved=moved).exact
    assert known.state is OrderState.SETTLING or not on_the_ladder
    if not on_the_ladder:
        assert NOON + 0.9 * pace.interval <= when <= NOON + 1.1 * pace.max_interval


@given(known_orders, paces, lags)
def test_a_change_never_makes_the_next_look_at_an_open_order_later(
    known: Order, pace: Pace, learned: Lags
) -> None:
    opened = replace(known, state=OrderState.OPEN)
    moved = outlook(opened, NOON, pace, lags=learned, moved=True).pause
    quiet = outlook(opened, NOON, pace, lags=learned).pause
    assert moved is not None
    assert quiet is not None
    assert moved <= quiet


@given(
    st.lists(st.timedeltas(-30 * DAY, 60 * DAY), min_size=1, max_size=4),
    st.timedeltas(timedelta(0), 60 * DAY),
    paces,
    lags,
)
def test_more_hazard_never_means_a_longer_pause(
    ages: list[timedelta], later: timedelta, pace: Pace, learned: Lags
) -> None:
    """One more capture that is awaited, older than the youngest: the bound of the pause is the same."""
    youngest = min((age for age in ages if age >= timedelta(0)), default=None)
    extra = -later if youngest is None else youngest + later
    awaited = [taken(age, str(number)) for number, age in enumerate(ages)]
    without = outlook(opened(*awaited), NOON, pace, lags=learned).pause
    more = outlook(opened(*awaited, taken(extra, "extra")), NOON, pace, lags=learned).pause
    assert without is not None
    assert more is not None
    assert more <= without


@given(
    paces.filter(lambda pace: pace.interval >= MINUTE),
    st.sampled_from([OrderState.OPEN, OrderState.SETTLING]),
    st.timedeltas(timedelta(0), 100 * DAY),
    spreads,
)
def test_parts_are_confirmed_soon_after_they_may_be(
    pace: Pace, state: OrderState, final_for: timedelta, spread: float
) -> None:
    """Whatever the pace, and however long the order has been final."""
    parts, now = in_parts(timedelta(0), timedelta(0)), NOON
    phase = OrderPhase.IN_PROGRESS if state is OrderState.OPEN else OrderPhase.COMPLETED
    while may_get_parts(parts):
        known = order(phase, state, [parts], [stored()], final_at=NOON - final_for)
        later = next_look(known, now, pace, spread)
        assert later is not None
        assert now < later <= NOON + 1.1 * PARTS_SETTLE + 2.2 * pace.interval
        now = later
        if scenes_due(known, parts, now, pace):
            parts = replace(parts, scenes_seen_at=now)


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


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize("phase", [OrderPhase.RECEIVED, OrderPhase.IN_PROGRESS])
def test_no_date_that_there_is_leads_beyond_the_calendar(year: int, phase: OrderPhase) -> None:
    start = NOON.replace(year=year, month=1 if year == 1 else 12, day=1)
    taken = capture(CapturePhase.CAPTURED, start=start)
    for captures in ((), (taken,)):
        known = order(phase, captures=captures, start=start, end=start)
        when = next_look(known, NOON, PACE, MIDDLE)
        assert when is not None
        assert NOON < when <= NOON + 2 * PACE.max_interval


class TestFilesOfUnclearCaptures:
    strange = capture(status=TrackedStatus(word="beamed", phase=None), start=NOON - DAY)

    def due(self, of: Order, now: datetime = NOON, **more: Any) -> bool:  # noqa: ANN401 - of any field
        return scenes_due(of, replace(self.strange, **more), now, PACE)

    def test_while_the_order_runs_they_are_asked_for_seldom_and_not_before_the_capture_is_taken(self) -> None:
        running = opened()
        assert self.due(running)
        assert not self.due(running, scenes_seen_at=NOON - 5 * HOUR)
        assert self.due(running, scenes_seen_at=NOON - 6 * HOUR)
        assert not self.due(running, start=NOON + HOUR)

    @pytest.mark.parametrize("ended", [{"final_at": NOON - HOUR}, {"end": NOON - HOUR}])
    def test_after_its_end_they_are_asked_for_soon_and_then_less_and_less(
        self, ended: dict[str, Any]
    ) -> None:
        over = order(OrderPhase.COMPLETED if "final_at" in ended else OrderPhase.IN_PROGRESS, **ended)
        assert self.due(over, scenes_seen_at=NOON - 5 * MINUTE)
        assert not self.due(over, NOON + 10 * DAY, scenes_seen_at=NOON + 10 * DAY - 19 * HOUR)

    def test_they_are_asked_for_once_more_when_the_grace_time_is_over(self) -> None:
        over = order(OrderPhase.COMPLETED, final_at=NOON - PACE.grace)
        assert self.due(over, scenes_seen_at=NOON - MINUTE)
        assert not self.due(over, NOON + MINUTE, scenes_seen_at=NOON)

    def test_a_word_against_a_final_one_is_unclear_too(self) -> None:
        doubted = TrackedStatus(word="archived", phase=CapturePhase.FAILED, doubts=1, doubted_at=NOON)
        assert self.due(opened(), status=doubted)
        assert not self.due(opened(), status=replace(doubted, doubts=0))
