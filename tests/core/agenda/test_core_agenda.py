"""What the agenda makes of orders and captures, and where a month shows it."""

from datetime import UTC, date, datetime, timedelta

import pytest
from tests.core.agenda.agenda_kit import DAY, HOUR, LAGS, a_capture, dated, of_kind
from tests.db.kit import NOW

from orderwatch.core.agenda.entries import EntryKind, entries_of
from orderwatch.core.agenda.month import FIRST_MONTH, moments_of, month_period, neighbours, weeks_of
from orderwatch.core.model import CapturePhase, OrderPhase, OrderState, TrackedStatus

CANCELED: TrackedStatus[OrderPhase] = TrackedStatus(word="canceled", phase=OrderPhase.CANCELED)
DONE: TrackedStatus[OrderPhase] = TrackedStatus(word="completed", phase=OrderPhase.COMPLETED)


@pytest.mark.parametrize(
    ("fields", "state", "void"),
    [
        ({}, "open", False),
        ({"start": NOW + HOUR}, "planned", False),
        ({"end": NOW - HOUR}, "over", False),
        ({"end": None}, "open", False),
        ({"status": DONE}, "completed", False),
        ({"status": CANCELED}, "canceled", True),
        ({"state": OrderState.LOST}, "lost", True),
    ],
)
def test_a_window_has_the_state_of_its_order(fields: dict[str, object], state: str, void: bool) -> None:  # noqa: FBT001 - a case
    [window] = of_kind(dated(**fields), EntryKind.WINDOW)
    assert (window.state, window.void, window.tentative) == (state, void, False)


def test_an_order_without_times_has_no_window() -> None:
    assert entries_of([dated(start=None, end=None)], LAGS, NOW) == []


@pytest.mark.parametrize(
    ("phase", "words", "tentative", "void"),
    [
        (CapturePhase.PLANNED, "capture planned, NewSat-9", True, False),
        (CapturePhase.TASKED, "capture tasked, NewSat-9", False, False),
        (CapturePhase.PROCESSING, "captured, NewSat-9", False, False),
        (CapturePhase.FAILED, "capture failed, NewSat-9", False, True),
        (None, "capture resting, NewSat-9", True, False),
    ],
)
def test_a_capture_is_tentative_until_it_is_tasked(
    phase: CapturePhase | None, words: str, *, tentative: bool, void: bool
) -> None:
    [capture] = of_kind(dated(a_capture(phase, satellite_name="NewSat-9")), EntryKind.CAPTURE)
    assert (capture.words, capture.tentative, capture.void) == (words, tentative, void)
    assert (capture.start, capture.end) == (NOW + DAY, None)


def test_a_publication_is_expected_by_what_was_learned_then_late_then_known() -> None:
    [expected] = of_kind(dated(a_capture(start=NOW)), EntryKind.PUBLICATION)
    assert (expected.state, expected.start, expected.end) == ("expected", NOW + 3.25 * HOUR, NOW + 5 * HOUR)
    for hours, state in (
        (6, "expected"),
        (9, "late"),
    ):  # one of ten takes six hours, one of three hundred nine
        taken = a_capture(CapturePhase.CAPTURED, NOW - hours * HOUR)
        assert [entry.state for entry in of_kind(dated(taken), EntryKind.PUBLICATION)] == [state]
    there = a_capture(CapturePhase.PUBLISHED, NOW - 9 * HOUR, published_at=NOW - HOUR)
    [published] = of_kind(dated(there), EntryKind.PUBLICATION)
    assert (published.state, published.start, published.end) == ("published", NOW - HOUR, None)
    assert not published.tentative


def test_what_failed_or_has_no_time_is_never_published() -> None:
    for capture in (a_capture(CapturePhase.FAILED), a_capture(start=None)):
        assert of_kind(dated(capture), EntryKind.PUBLICATION) == []


def test_a_month_shows_when_windows_open_and_close_in_whole_weeks() -> None:
    month = date(2026, 12, 1)
    order = dated(a_capture(start=NOW + 20 * DAY), start=NOW, end=NOW + 30 * DAY)
    weeks = weeks_of(month, entries_of([order], LAGS, NOW))
    assert {len(week) for week in weeks} == {7}
    assert weeks[0][0].date == date(2026, 11, 30)
    assert weeks[-1][-1].date == date(2027, 1, 3)
    happens = {day.date.isoformat(): [m.words for m in day.moments] for week in weeks for day in week}
    assert {day: words for day, words in happens.items() if words} == {
        "2026-12-12": ["capture planned", "publication expected"],
        "2026-12-22": ["window closes"],
    }
    assert month_period(month) == (datetime(2026, 11, 30, tzinfo=UTC), datetime(2027, 1, 4, tzinfo=UTC))


def test_the_day_of_a_moment_is_that_of_utc() -> None:
    entries = entries_of([dated(start=NOW, end=NOW + DAY)], LAGS, NOW)
    midnight = datetime(2026, 11, 23, tzinfo=UTC)
    assert [m.at for m in moments_of(entries, midnight, midnight + DAY)] == [NOW + DAY]
    assert moments_of(entries, midnight, NOW + DAY) == []


def test_months_end_where_dates_do() -> None:
    assert neighbours(date(2026, 1, 1)) == (date(2025, 12, 1), date(2026, 2, 1))
    assert neighbours(FIRST_MONTH) == (None, FIRST_MONTH + timedelta(days=28))
