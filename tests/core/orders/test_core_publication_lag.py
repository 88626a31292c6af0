"""How soon a capture that was taken is published, learned from those that were."""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.samples import DAY, HOUR, MINUTE

from orderwatch.core.orders.publication_lag import PRIOR, UNLEARNED, Lag, fit_lags

MANY = 1000
SECOND = timedelta(seconds=1)
AGES = [10**power for power in range(8)] + [3 * 10**8]  # seconds, from one to ten years

lags = st.builds(Lag, median=st.timedeltas(MINUTE, 30 * DAY), sigma=st.floats(0.3, 1.5))
ages = st.floats(1, 3.2e8)


def fitted(*seen: timedelta) -> Lag:
    return fit_lags(("L1", lag) for lag in seen).of("L1")


def test_nothing_known_is_the_prior() -> None:
    assert fit_lags([]).of("L1") == UNLEARNED.of(None) == PRIOR


def test_each_product_has_its_own_and_one_never_seen_has_the_prior() -> None:
    learned = fit_lags([("fast", MINUTE)] * MANY + [("slow", DAY)] * MANY + [(None, HOUR)] * MANY)
    assert learned.of("fast").median < learned.of(None).median < learned.of("slow").median
    assert learned.of("unheard of") == PRIOR


def test_one_publication_moves_the_prior_a_little() -> None:
    found = fitted(24 * HOUR)
    assert PRIOR.median < found.median < 4 * HOUR
    assert (found.sigma, found.learned) == (PRIOR.sigma, 1)


def test_many_publications_are_believed() -> None:
    found = fitted(*[HOUR * (0.5 + number / MANY) for number in range(MANY)])
    assert found.median / HOUR == pytest.approx(1, rel=0.02)
    assert found.learned == MANY


@pytest.mark.parametrize(
    ("seen", "sigma"),
    [([HOUR] * MANY, 0.3), ([SECOND, 1000 * DAY] * MANY, 1.5)],
    ids=["all equal", "all over the place"],
)
def test_neither_equal_lags_nor_wild_ones_are_taken_for_a_law(seen: list[timedelta], sigma: float) -> None:
    assert fitted(*seen).sigma == sigma


@given(
    st.lists(st.timedeltas(HOUR, 2 * HOUR), min_size=12, max_size=40),
    st.lists(st.timedeltas(-DAY, 1000 * DAY), max_size=11),
)
def test_outliers_do_not_shift_the_median(seen: list[timedelta], outliers: list[timedelta]) -> None:
    """A daemon that slept for a week saw what it missed a week late."""
    count = len(seen) + len(outliers)
    found = fitted(*seen, *outliers)
    low, high = (fitted(*[edge] * count).median for edge in (HOUR, 2 * HOUR))
    assert low - SECOND <= found.median <= high + SECOND


@given(st.lists(st.timedeltas(-DAY, 0 * DAY), min_size=1, max_size=5))
def test_what_was_published_before_it_was_taken_came_about_at_once(seen: list[timedelta]) -> None:
    assert fitted(*seen) == fitted(*[MINUTE] * len(seen))


@given(st.lists(st.timedeltas(-DAY, 4000 * DAY), max_size=30))
def test_whatever_was_seen_gives_a_law_that_can_be_used(seen: list[timedelta]) -> None:
    found = fitted(*seen)
    assert timedelta(0) < found.median <= max(PRIOR.median, *seen, MINUTE) + SECOND
    assert 0.3 <= found.sigma <= 1.5


@pytest.mark.parametrize("age", AGES)
def test_of_a_usual_lag_something_may_come_at_any_age(age: float) -> None:
    assert 0 < PRIOR.hazard(age) < math.inf


@given(lags, ages)
def test_the_hazard_is_finite_and_never_negative_at_any_age_and_after_any_lag(lag: Lag, age: float) -> None:
    assert 0 <= lag.hazard(age) < math.inf


@given(lags, st.floats(-6, 6))
def test_the_hazard_is_positive_wherever_a_lag_is_likely_at_all(lag: Lag, sigmas: float) -> None:
    assert lag.hazard(lag.median.total_seconds() * math.exp(sigmas * lag.sigma)) > 0


@given(lags, ages, ages)
def test_what_came_only_grows_from_none_to_all(lag: Lag, one: float, other: float) -> None:
    earlier, later = sorted((one, other))
    assert 0 <= lag.published_by(earlier) <= lag.published_by(later) <= 1


@pytest.mark.parametrize("age", [0.0, -1.0, -1e9])
def test_nothing_is_published_before_it_was_taken(age: float) -> None:
    assert PRIOR.published_by(age) == PRIOR.hazard(age) == 0


@given(lags)
def test_half_came_within_the_median(lag: Lag) -> None:
    assert lag.published_by(lag.median.total_seconds()) == pytest.approx(0.5)


@given(lags, st.floats(-3, 3))
def test_the_hazard_is_what_comes_next_of_those_that_have_not(lag: Lag, sigmas: float) -> None:
    """Against the definition, by differences; one capture in twenty is never published."""
    age = lag.median.total_seconds() * math.exp(sigmas * lag.sigma)
    step = age * 1e-4
    published_by = lag.published_by(age + step) - lag.published_by(age - step)
    assert lag.hazard(age) == pytest.approx(
        0.95 * published_by / (2 * step) / (1 - 0.95 * lag.published_by(age)), rel=1e-3
    )
