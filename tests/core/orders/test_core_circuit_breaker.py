"""When an account in trouble is asked again."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.samples import DAY, HOUR, MINUTE, NOON

from orderwatch.core.orders.circuit_breaker import (
    MAX_OPEN_TIME,
    MAX_PAUSE,
    MAX_REFUSED_PAUSE,
    AccountFailure,
    OpenCircuit,
    record_failure,
)

SECOND = timedelta(seconds=1)
FIRST = 30 * SECOND
MOST = 0.999999  # the draw of the longest pause
SILENT = AccountFailure(refused=False, reason="no answer in time")
REFUSED = AccountFailure(refused=True, reason="403")


def pauses(
    failed: AccountFailure, times: int, *, gentle: bool = False, spread: float = MOST
) -> list[timedelta]:
    """How long nobody asks, failure after failure, each as soon as it may be."""
    known, now, found = None, NOON, []
    for _ in range(times):
        known = record_failure(known, failed, now, first=FIRST, gentle=gentle, spread=spread)
        found.append(known.until - now)
        now = known.until
    return found


def rounded(found: list[timedelta]) -> list[int]:
    return [round(pause / SECOND) for pause in found]


@pytest.mark.parametrize(
    ("failed", "seconds"),
    [
        (SILENT, [30, 60, 120, 240, 300, 300, 300]),
        (REFUSED, [30, 60, 120, 240, 480, 900, 900]),
    ],
    ids=["silent", "refused"],
)
def test_the_pauses_double_up_to_the_slowest(failed: AccountFailure, seconds: list[int]) -> None:
    assert rounded(pauses(failed, 7)) == seconds
    assert rounded(pauses(failed, 7, spread=0.0)) == [number // 2 for number in seconds]


def test_after_a_thousand_failures_it_is_still_asked() -> None:
    assert pauses(SILENT, 1000)[-1] <= MAX_PAUSE
    assert pauses(REFUSED, 1000)[-1] <= MAX_REFUSED_PAUSE


def test_while_gentle_the_pauses_do_not_grow() -> None:
    assert rounded(pauses(SILENT, 5, gentle=True)) == [30] * 5


@pytest.mark.parametrize(
    ("wait", "until"),
    [(timedelta(0), 30 * SECOND), (SECOND, 30 * SECOND), (10 * MINUTE, 10 * MINUTE), (HOUR, HOUR)],
)
def test_the_provider_may_ask_for_a_longer_pause_but_not_for_a_shorter_one(
    wait: timedelta, until: timedelta
) -> None:
    failed = AccountFailure(refused=False, reason="503", wait=wait)
    (pause,) = pauses(failed, 1)
    assert rounded([pause]) == rounded([until])
    assert rounded(pauses(failed, 1, gentle=True)) == rounded([until])


def test_it_is_told_when_it_began_how_often_it_failed_and_why_it_failed_last() -> None:
    first = record_failure(None, SILENT, NOON, first=FIRST, gentle=False, spread=0.5)
    second = record_failure(first, REFUSED, NOON + HOUR, first=FIRST, gentle=False, spread=0.5)
    assert (first.began_at, first.failures, first.refused, first.reason) == (
        NOON,
        1,
        False,
        "no answer in time",
    )
    assert (second.began_at, second.failures, second.refused, second.reason) == (NOON, 2, True, "403")


def test_trouble_never_began_after_now_though_the_clock_was_set_back() -> None:
    first = record_failure(None, SILENT, NOON, first=FIRST, gentle=False, spread=0.5)
    again = record_failure(first, SILENT, NOON - DAY, first=FIRST, gentle=False, spread=0.5)
    assert again.began_at == NOON - DAY


@pytest.mark.parametrize(
    ("until", "holds"),
    [
        (-MINUTE, False),
        (timedelta(0), False),
        (SECOND, True),
        (HOUR, True),
        (MAX_OPEN_TIME, True),
        (MAX_OPEN_TIME + SECOND, False),
        (400 * DAY, False),
    ],
    ids=["over", "now", "a second", "an hour", "the longest", "more", "the clock was set back"],
)
def test_it_holds_until_its_time_and_what_is_too_far_away_is_a_clock_that_was_set(
    until: timedelta,
    holds: bool,  # noqa: FBT001 - a table's column
) -> None:
    trouble = OpenCircuit(began_at=NOON, failures=1, until=NOON + until, refused=False, reason="503")
    assert trouble.holds(NOON) is holds


lengths = st.timedeltas(SECOND / 100, 10 * MINUTE)
failures = st.builds(
    AccountFailure, refused=st.booleans(), reason=st.just("why"), wait=st.timedeltas(timedelta(0), HOUR)
)


@given(st.lists(st.tuples(failures, st.booleans()), min_size=1, max_size=30), lengths, st.floats(0, MOST))
def test_whatever_fails_it_holds_from_now_on_and_for_no_longer_than_it_may(
    story: list[tuple[AccountFailure, bool]], first: timedelta, spread: float
) -> None:
    known, now = None, NOON
    for failed, gentle in story:
        known = record_failure(known, failed, now, first=first, gentle=gentle, spread=spread)
        slowest = MAX_REFUSED_PAUSE if failed.refused else MAX_PAUSE
        assert known.holds(now)
        assert known.until >= now + failed.wait
        assert known.until <= now + max(failed.wait, slowest)
        now = known.until
        assert not known.holds(now)
    assert known is not None
    assert known.failures == len(story)
    assert known.began_at == NOON


def test_the_doublings_count_from_the_end_of_the_gentle_phase() -> None:
    """Fifteen failures of a machine's start do not make the next pause the longest one."""
    known, now = None, NOON
    for _ in range(15):
        known = record_failure(known, SILENT, now, first=5 * SECOND, gentle=True, spread=MOST)
        now = known.until
    found = []
    for _ in range(5):
        known = record_failure(known, SILENT, now, first=FIRST, gentle=False, spread=MOST, spared=15)
        found.append(known.until - now)
        now = known.until
    assert rounded(found) == [30, 60, 120, 240, 300]
    assert known is not None
    assert known.failures == 20
