"""How much is to come, as far as sizes are known, and for how long."""

import pytest

from orderwatch.core.model import DeliveryState
from orderwatch.core.queue.backlog import Backlog, FileGroup, backlog_of


def group(attachment: str = "delivery_zip", number: int = 1, sized: int = 0, size: int = 0) -> FileGroup:
    return FileGroup(
        "main", attachment, DeliveryState.WANTED, is_later=False, number=number, sized=sized, size=size
    )


def test_unknown_sizes_are_estimated_by_stored_files_of_the_same_name() -> None:
    groups = [group(number=5, sized=2, size=700), group("preview", number=4)]
    found = backlog_of(groups, {"delivery_zip": 100.4, "preview": 10.0, "footprint": 1.0})
    assert found == Backlog(files=9, sized=2, size=700, estimate=341)
    assert found.expected == 1041


def test_without_a_stored_file_of_that_name_nothing_is_estimated() -> None:
    found = backlog_of([group(number=2, sized=1, size=700), group("preview")], {"delivery_zip": 1e9})
    assert (found.expected, found.size, found.seconds_left(100.0)) == (None, 700, None)
    assert found.words == "3 deliveries to come, at least 700 B"


@pytest.mark.parametrize(
    ("backlog", "words"),
    [
        (Backlog(), "0 deliveries to come"),
        (Backlog(files=1, sized=1, size=4_200_000_000), "1 delivery to come, 4.2 GB"),
        (Backlog(files=1200, sized=1, size=5, estimate=10**9), "1,200 deliveries to come, about 1.0 GB"),
        (Backlog(files=2, estimate=None), "2 deliveries to come, size unknown"),
    ],
)
def test_an_estimate_is_never_shown_as_a_fact(backlog: Backlog, words: str) -> None:
    assert backlog.words == words


def test_the_time_left_is_that_of_all_bytes_at_the_present_speed() -> None:
    backlog = Backlog(files=2, sized=1, size=1000, estimate=9000)
    assert backlog.seconds_left(100.0) == 100
    assert backlog.pace_words(100.0) == "100 B/s, 1 min 40 s left"
    assert backlog.pace_words(0.0) == "0 B/s"
    assert backlog.pace_words(None) == ""
    assert backlog.seconds_left(1e-300) == 365 * 86_400
