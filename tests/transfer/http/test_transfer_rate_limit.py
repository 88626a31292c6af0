"""The limit over all downloads, and its changes in the middle of one."""

from collections.abc import Callable, Iterator
from itertools import repeat

import pytest

from orderwatch.transfer.http.rate_limit import RateLimit


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def changing(limits: Iterator[int]) -> Callable[[], int]:
    return lambda: next(limits)


def passed(limit: RateLimit, clock: Clock, *chunks: bytes) -> list[bytes]:
    return [part for chunk in chunks for part in limit.throttle(chunk, clock.wait)]


def test_without_a_limit_chunks_pass_as_they_come(clock: Clock) -> None:
    assert passed(RateLimit(0, clock=clock), clock, b"a" * 10**6, b"b") == [b"a" * 10**6, b"b"]
    assert clock.now == 100


@pytest.mark.parametrize("rate", [1, 7, 8, 4000])
def test_a_limit_changes_no_byte_and_holds_over_time(clock: Clock, rate: int) -> None:
    data = bytes(index % 251 for index in range(rate * 9))
    parts = passed(RateLimit(rate, clock=clock), clock, data[:5], data[5:])
    assert b"".join(parts) == data
    assert max(map(len, parts)) <= max(1, rate // 8)
    assert clock.now - 100 == pytest.approx(len(data) / rate)


def test_a_limit_is_shared_by_all_downloads(clock: Clock) -> None:
    limit = RateLimit(800, clock=clock)
    waits = [list[float](), list[float]()]
    for _ in range(3):
        for own in waits:
            assert list(limit.throttle(b"x" * 100, own.append)) == [b"x" * 100]
    assert waits == [pytest.approx([0.125, 0.375, 0.625]), pytest.approx([0.25, 0.5, 0.75])]


def test_a_limit_that_begins_in_the_middle_of_a_download_holds_from_there(clock: Clock) -> None:
    limit = RateLimit(changing(iter([0, *repeat(1000, 9)])), clock=clock)
    parts = passed(limit, clock, b"a" * 10**6)
    clock.now += 1
    parts += passed(limit, clock, b"b" * 250)
    assert [len(part) for part in parts] == [10**6, 125, 125]


def test_a_limit_that_ends_in_the_middle_of_a_chunk_holds_it_no_longer(clock: Clock) -> None:
    """At the limit it began with it would take days."""
    limit = RateLimit(changing(iter([80, 80, *repeat(0, 9)])), clock=clock)
    parts = passed(limit, clock, b"a" * 10**7)
    assert [len(part) for part in parts] == [10, 10, 10**7 - 20]


def test_a_download_that_is_stopped_while_it_waits_passes_nothing_more() -> None:
    def stop(_seconds: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        list(RateLimit(8).throttle(b"abc", stop))
