"""How fast a transfer goes, whoever looks how often."""

from datetime import UTC, datetime, timedelta

import pytest

from orderwatch.core.deliveries.bandwidth import Progress, SpeedMeter
from orderwatch.core.model import Delivery

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def coming(durable: int, total: int | None = 1_000_000) -> Delivery:
    return Delivery(
        account="main",
        order_id="1",
        task_id=1,
        capture_id="c",
        scene_id="s",
        attachment="delivery_zip",
        file_name="s.zip",
        fingerprint="f",
        durable=durable,
        total=total,
    )


def speed(*looks: tuple[float, int]) -> float | None:
    """After looks at so many seconds, which saw so many bytes."""
    speeds, found = SpeedMeter(), None
    for second, durable in looks:
        [going] = speeds.measured([coming(durable)], NOW + timedelta(seconds=second))
        found = going.speed
    return found


@pytest.mark.parametrize(
    ("looks", "found"),
    [
        ([(0, 100)], None),
        ([(0, 100), (2, 300)], 100),
        ([(0, 0), (30, 3000)], 100),
        ([(0, 0), (0.01, 100)], None),
        ([(0, 0), (5, 9000), (10, 9000), (15, 9000), (20, 9000)], 0),
        ([(0, 0), (5, 0), (15, 500), (20, 1000)], 1000 / 15),
        ([(0, 0), (61, 6100)], None),
        ([(0, 500), (5, 0)], None),
        ([(10, 0), (0, 500)], None),
    ],
    ids=[
        "seen once",
        "twice",
        "seldom",
        "too soon after",
        "stands still",
        "over the last ten seconds, or more where looks are few",
        "not looked at for long",
        "begun anew",
        "a clock that was set back",
    ],
)
def test_a_speed_is_that_of_the_last_seconds(looks: list[tuple[float, int]], found: float | None) -> None:
    assert speed(*looks) == (None if found is None else pytest.approx(found))


def test_what_was_interrupted_is_measured_anew() -> None:
    speeds = SpeedMeter()
    speeds.measured([coming(0)], NOW)
    speeds.measured([], NOW + timedelta(seconds=1))
    assert speeds.measured([coming(100)], NOW + timedelta(seconds=2))[0].speed is None


@pytest.mark.parametrize(
    ("durable", "total", "speed", "words"),
    [
        (0, None, None, "requesting a link"),
        (9, 9, 3.0, "verifying"),
        (1, 9, None, ""),
        (1, 9, 0.0, "0 B/s"),
        (400_000, 1_000_000, 5000.0, "5.0 kB/s, 2 min left"),
        (0, 10**15, 0.001, "0 B/s, 365 d left"),
    ],
)
def test_a_transfer_says_what_it_does(
    durable: int, total: int | None, speed: float | None, words: str
) -> None:
    assert Progress(coming(durable, total), speed).words == words
