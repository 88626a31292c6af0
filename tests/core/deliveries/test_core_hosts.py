"""What is concluded of a download host: when it may be asked, and how often at once."""

from datetime import datetime, timedelta

import pytest
from tests.core.samples import HOUR, NOON

from orderwatch.core.deliveries.hosts import (
    Host,
    after_bytes,
    after_failure,
    after_forbidden,
    after_refusal,
    backoff_wait,
    host_of,
)

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def failed(
    host: Host, file: str, *, reached: bool = True, now: datetime = NOON, slowest: timedelta = HOUR
) -> Host:
    return after_failure(host, file, "500", now, reached=reached, slowest=slowest, spread=0.5)


def down(*files: str) -> Host:
    host = Host()
    for file in files or ("a", "b", "c"):
        host = failed(host, file)
    return host


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://CDN.example/x.zip?token=s", "cdn.example"),
        ("https://user:secret@cdn.example:8443/x", "cdn.example:8443"),
        ("http://[::1]:80/x", "[::1]:80"),
        ("http://[::1/x", ""),
        ("x.zip", ""),
    ],
)
def test_a_host_is_told_by_name_and_port_and_nothing_else_of_the_link(url: str, host: str) -> None:
    assert host_of(url) == host


def test_one_file_that_always_fails_says_nothing_of_its_host() -> None:
    assert down(*"aaaaaaa").trouble is None
    assert down(*"aabbaab").trouble is None
    assert down(*"abc").trouble is not None


def test_a_host_that_is_not_reached_is_known_by_any_file() -> None:
    host = Host()
    for _ in range(3):
        assert host.trouble is None
        host = failed(host, "a", reached=False)
    assert host.trouble is not None


def test_bytes_end_its_trouble_and_tell_whose_the_failures_were() -> None:
    host = after_bytes(down(), "d")
    assert host.trouble is None
    for file in "abcabc":
        host = failed(host, file)
    assert host.trouble is None
    host = after_bytes(host, "a")
    for file in "aef":
        host = failed(host, file)
    assert host.trouble is not None


def test_it_is_asked_ever_more_seldom_and_never_more_seldom_than_any_delivery() -> None:
    host, now, pauses = down(), NOON, list[timedelta]()
    for _ in range(6):
        until = host.holds(now)
        assert until is not None
        pauses.append(until - now)
        now, host = until, failed(host, "a", now=until)
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (22.5 * SECOND, 225 * SECOND)
    assert failed(host, "a", now=now, slowest=MINUTE).holds(now) == now + MINUTE
    assert host.holds(now - timedelta(days=1)) is None  # the clock was set back


def test_a_host_that_refuses_takes_as_many_as_are_on_the_way_and_one_more_now_and_then() -> None:
    host = after_refusal(Host(), "d", timedelta(0), NOON, 3)
    assert [host.takes(NOON + each * MINUTE) for each in (0, 4, 5, 10)] == [3, 3, 4, 5]
    assert host.takes(NOON - HOUR) == 3  # the clock was set back
    assert not host.doubted
    assert after_bytes(host, "a").takes(NOON) == 3
    assert after_refusal(host, "c", timedelta(0), NOON, 0).takes(NOON) == 1


def test_two_files_that_it_has_no_time_for_are_waited_for_as_it_said() -> None:
    once = after_refusal(Host(), "a", 600 * SECOND, NOON, 0)
    assert not after_refusal(once, "a", 600 * SECOND, NOON, 0).doubted
    twice = after_refusal(once, "b", 500 * SECOND, NOON, 0)
    assert (twice.doubted, twice.holds(NOON)) == (True, NOON + 500 * SECOND)
    assert not after_bytes(twice, "a").doubted


def test_a_busy_host_that_does_not_say_until_when_is_left_alone_ever_longer() -> None:
    host, pauses = Host(), []
    for _ in range(6):
        pauses.append(backoff_wait(host, HOUR) // SECOND)
        host = after_refusal(host, "a", timedelta(0), NOON, 0)
    assert pauses == [30, 60, 120, 240, 300, 300]
    assert backoff_wait(host, MINUTE) == MINUTE


def test_a_file_that_is_refused_alone_did_not_lack_a_connection() -> None:
    limited = after_refusal(Host(), "a", timedelta(0), NOON, 2)
    assert after_forbidden(limited, "a").takes(NOON) is None
    assert after_forbidden(limited, "b").takes(NOON) == 2
    assert after_forbidden(limited, "b").forbidden == {"b"}
