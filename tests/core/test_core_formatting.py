"""Lengths of time in words."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.db.kit import NOW

from orderwatch.core.formatting import ago, format_duration, format_time, until

SECONDS = {"d": 86_400, "h": 3_600, "min": 60, "s": 1, "ms": 0.001}


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (0.0004, "0 s"),
        (0.04, "40 ms"),
        (0.9999, "999 ms"),
        (1, "1 s"),
        (4.25, "4.2 s"),
        (9.99, "9.9 s"),
        (10, "10 s"),
        (59.99, "59 s"),
        (60, "1 min"),
        (252, "4 min 12 s"),
        (3599.9, "59 min 59 s"),
        (3600, "1 h"),
        (3659, "1 h"),
        (11_400, "3 h 10 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d"),
        (187_200, "2 d 4 h"),
        (86_400 * 400, "400 d"),
    ],
)
def test_spans_are_told_in_two_units_at_most(seconds: float, told: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == told


@given(st.timedeltas(timedelta(0), timedelta(days=10_000)))
def test_what_is_told_is_never_longer_than_it_was_and_nearly_as_long(length: timedelta) -> None:
    said = sum(float(n) * SECONDS[unit] for n, unit in re.findall(r"([\d.]+) (\w+)", format_duration(length)))
    real = length.total_seconds()
    assert said <= real + 1e-6
    assert real - said < max(0.001, 0.1 * min(real, 10), real / 24) + 1e-6


@pytest.mark.parametrize(
    ("seconds", "past", "future"),
    [
        (0, "just now", "now"),
        (0.9, "just now", "now"),
        (12.7, "12 s ago", "in 12 s"),
        (59.9, "59 s ago", "in 59 s"),
        (200, "3 min ago", "in 3 min"),
        (11_459, "3 h 10 min ago", "in 3 h 10 min"),
        (187_200, "2 d 4 h ago", "in 2 d 4 h"),
    ],
)
def test_times_are_told_from_now(seconds: float, past: str, future: str) -> None:
    length = timedelta(seconds=seconds)
    assert (ago(NOW - length, NOW), until(NOW + length, NOW)) == (past, future)


@pytest.mark.parametrize(
    ("late", "told"), [(1, "now"), (59, "now"), (60, "due 1 min ago"), (7200, "due 2 h ago")]
)
def test_what_should_have_happened_is_due(late: int, told: str) -> None:
    assert until(NOW - timedelta(seconds=late), NOW) == told


def test_a_clock_that_was_set_back_makes_nothing_future_past() -> None:
    assert ago(NOW + timedelta(hours=1), NOW) == "just now"


def test_without_a_now_times_are_told_as_they_are() -> None:
    assert ago(NOW, None) == until(NOW, None) == format_time(NOW) == "2026-11-22 12:00:00 UTC"
