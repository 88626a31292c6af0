"""Durations and sizes as an operator writes them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderwatch.config.quantities import duration, size

SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
POWERS = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "GiB": 2**30}
spaces = st.sampled_from(["", " ", "\t ", "  "])


@given(st.integers(1, 500), st.sampled_from(list(SECONDS)), spaces, spaces)
def test_a_duration_is_a_number_and_a_unit(number: int, unit: str, before: str, between: str) -> None:
    assert duration(f"{before}{number}{between}{unit}{before}") == timedelta(seconds=number * SECONDS[unit])


@given(st.integers(0, 2**70), st.sampled_from(list(POWERS)), spaces, spaces)
def test_a_size_is_exact_to_the_byte(number: int, unit: str, before: str, between: str) -> None:
    assert size(f"{before}{number}{between}{unit}{before}") == number * POWERS[unit]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("250ms", 0.25), ("90s", 90), ("5m", 300), ("1.5h", 5400), ("14d", 1209600), ("2w", 1209600)],
)
def test_durations_of_the_handbook(text: str, expected: float) -> None:
    assert duration(text).total_seconds() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500 MB", 500_000_000),
        ("5 GiB", 5 * 2**30),
        ("0", 0),
        ("1.5 GB", 1_500_000_000),
        ("10k", 10_000),
        ("7mib", 7 * 2**20),
    ],
)
def test_sizes_of_the_handbook(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize("read", [duration, size])
@pytest.mark.parametrize(
    "value", ["", "fast", "-5m", "-5 GB", "5 minutes", "5 XB", "1e9", "5 5", ".5h", "٣x", None]
)
def test_what_is_neither_is_told_by_example(read: object, value: object) -> None:
    assert callable(read)
    with pytest.raises(ValueError, match='such as "'):
        read(value)


@pytest.mark.parametrize("value", [5, 5.0, True, None, ["5m"], timedelta(minutes=5)])
def test_a_duration_without_unit_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        duration(value)


@pytest.mark.parametrize("text", ["3651d", "99999999999999d", "9" * 400 + "w"])
def test_a_duration_beyond_reason_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be at most ten years"):
        duration(text)


@pytest.mark.parametrize("text", ["0s", "0.0d", "0.0001ms"])
def test_a_duration_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="longer than 0"):
        duration(text)


def test_a_size_beyond_reason_is_only_large() -> None:
    assert size("9" * 400 + " TiB") > 2**64


@given(st.text() | st.from_regex(r"\s*[\d.]+\s*[a-zA-Z]*\s*"))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    for read in (duration, size):
        try:
            read(text)
        except ValueError as error:
            assert str(error)  # noqa: PT017 - whether it raises is the property's own question
