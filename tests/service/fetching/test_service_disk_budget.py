"""The ledger of room on the disk."""

import pytest

from orderwatch.errors import DiskError
from orderwatch.service.fetching.disk_budget import DiskBudget


def test_room_is_promised_once() -> None:
    space = DiskBudget(lambda: 100, 20)
    space.reserve("a", 50)
    with pytest.raises(DiskError, match="31 B needed, 30 B may be written"):
        space.reserve("b", 31)
    space.reserve("b", 30)


def test_what_is_kept_free_is_never_promised() -> None:
    with pytest.raises(DiskError, match="1 B needed, 0 B may be written"):
        DiskBudget(lambda: 100, 200).reserve("a", 1)


def test_a_promise_is_renewed_not_added() -> None:
    space = DiskBudget(lambda: 100, 0)
    for remaining in (100, 60, 100):
        space.reserve("a", remaining)


def test_a_released_promise_is_room_again() -> None:
    space = DiskBudget(lambda: 100, 0)
    space.reserve("a", 100)
    space.release("a")
    space.release("a")
    space.reserve("b", 100)


def test_a_refused_promise_holds_nothing() -> None:
    space = DiskBudget(lambda: 100, 0)
    space.reserve("a", 50)
    with pytest.raises(DiskError):
        space.reserve("a", 101)
    space.reserve("b", 100)


def test_the_disk_is_asked_each_time() -> None:
    free = [100, 10]
    space = DiskBudget(lambda: free.pop(0), 0)
    space.reserve("a", 50)
    with pytest.raises(DiskError):
        space.reserve("a", 50)


def test_what_is_written_is_no_longer_promised() -> None:
    free = [100, 100, 50, 10, 10]
    space = DiskBudget(lambda: free.pop(0), 0)
    space.reserve("a", 90)
    with pytest.raises(DiskError):
        space.reserve("b", 11)
    space.on_written("a", 50)
    space.reserve("b", 10)
    space.on_written("a", 100)
    space.reserve("b", 10)
    space.release("a")
    space.on_written("a", 5)
    space.reserve("b", 10)
