"""Repeated trouble is told at 1, 10, 100 and so on."""

from orderwatch.core.log_throttle import LogThrottle, is_due


def test_only_powers_of_ten_are_told() -> None:
    assert [times for times in range(1, 20_000) if is_due(times)] == [1, 10, 100, 1000, 10_000]


def test_each_trouble_is_counted_until_it_is_over() -> None:
    repeats = LogThrottle()
    assert [repeats.again("a"), repeats.again("a"), repeats.again("b")] == [1, 2, 1]
    repeats.over("a")
    repeats.over("never came")
    assert [repeats.again("a"), repeats.again("b")] == [1, 2]
