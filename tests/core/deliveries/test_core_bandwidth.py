"""Limits by the time of day."""

from datetime import datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderwatch.core.deliveries.bandwidth import Allowance, Span, allowance_at, limit_at, overlapping

DAY = Span(time(8), time(18), 5)
NIGHT = Span(time(22), time(6), 9)


@pytest.mark.parametrize(
    ("at", "limit"),
    [
        (time(7, 59, 59), 0),
        (time(8), 5),
        (time(17, 59, 59, 999_999), 5),
        (time(18), 0),
        (time(21, 59), 0),
        (time(22), 9),
        (time(0), 9),
        (time(5, 59), 9),
        (time(6), 0),
    ],
)
def test_each_span_holds_from_its_begin_up_to_its_end(at: time, limit: int) -> None:
    assert limit_at([DAY, NIGHT], at) == limit


def test_without_spans_there_is_no_limit() -> None:
    assert limit_at([], time(12)) == 0


@given(st.times(), st.times())
def test_a_span_that_ends_where_it_begins_is_the_whole_day(begin: time, at: time) -> None:
    assert limit_at([Span(begin, begin, 7)], at) == 7


MINUTES = st.integers(0, 1439).map(lambda m: (datetime(2026, 1, 1) + timedelta(minutes=m)).time())  # noqa: DTZ001 - a time of day
SPANS = st.builds(Span, MINUTES, MINUTES, st.integers(0, 9))
EVERY_MINUTE = [time(hour, minute) for hour in range(24) for minute in range(60)]


@given(SPANS, SPANS)
def test_spans_overlap_exactly_where_some_minute_is_in_both(a: Span, b: Span) -> None:
    shared = any(a.covers(at) and b.covers(at) for at in EVERY_MINUTE)
    assert bool(overlapping([a, b])) is shared


AT = datetime(2026, 12, 1, 7)  # noqa: DTZ001 - local time


@pytest.mark.parametrize(
    ("hour", "found"),
    [
        (7, Allowance(0, AT.replace(hour=8), 5)),
        (8, Allowance(5, AT.replace(hour=18), 0)),
        (23, Allowance(9, AT.replace(day=2, hour=6), 0)),
        (6, Allowance(0, AT.replace(hour=8), 5)),
    ],
)
def test_the_next_change_is_found_also_after_midnight(hour: int, found: Allowance) -> None:
    assert allowance_at([DAY, NIGHT], AT.replace(hour=hour)) == found


def test_a_limit_that_never_changes_has_no_end() -> None:
    assert allowance_at([], AT) == Allowance(0)
    assert allowance_at([Span(time(0), time(0), 7)], AT) == Allowance(7)
    assert allowance_at([Span(time(0), time(12), 7), Span(time(12), time(0), 7)], AT) == Allowance(7)
    assert (Allowance(5_000_000).words, Allowance(0).words) == ("5.0 MB/s", "no limit")
