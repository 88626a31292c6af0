"""How much is still to be downloaded, and for how long."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from orderwatch.core.deliveries.bandwidth import MAX_SECONDS_LEFT
from orderwatch.core.formatting import format_bytes, format_duration
from orderwatch.core.model import UNFINISHED, DeliveryState

TO_COME = UNFINISHED - {DeliveryState.GIVEN_UP}
"""The states of deliveries that are still downloaded without a person."""


class FileGroup(NamedTuple):
    """Deliveries to come that are alike; `size` are the missing bytes of those whose size is known."""

    account: str
    attachment: str
    state: DeliveryState
    is_later: bool  # not before a time that is still to come
    number: int
    sized: int  # how many have a known size
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Deliveries to come: the missing bytes of the `sized` ones, and an estimate for the others.

    A provider gives the size of a file with its link, which is requested when its turn comes.
    """

    files: int = 0
    sized: int = 0
    size: int = 0
    estimate: int | None = 0  # bytes of the files without a known size; None before any such file is stored

    @property
    def expected(self) -> int | None:
        """All bytes to come, None if they cannot be estimated."""
        return None if self.estimate is None else self.size + self.estimate

    @property
    def words(self) -> str:
        """The number of deliveries and their bytes."""
        number = f"{self.files:,} {'delivery' if self.files == 1 else 'deliveries'} to come"
        return f"{number}, {self.size_words}" if self.files else number

    @property
    def size_words(self) -> str:
        """The bytes to come; an estimated size is marked."""
        if self.sized == self.files:
            return format_bytes(self.size)
        if self.expected is not None:
            return f"about {format_bytes(self.expected)}"
        return f"at least {format_bytes(self.size)}" if self.size else "size unknown"

    def seconds_left(self, speed: float | None) -> float | None:
        """Returns how long the downloads take at this speed in bytes per second, None if it is unknown."""
        if not speed or self.expected is None:
            return None
        return min(self.expected / speed, MAX_SECONDS_LEFT)

    def pace_words(self, speed: float | None) -> str:
        """Returns the speed, and the time left if it can be estimated."""
        left = self.seconds_left(speed)
        pace = "" if speed is None else f"{format_bytes(speed) or '0 B'}/s"
        return pace if left is None else f"{pace}, {format_duration(timedelta(seconds=round(left)))} left"


def backlog_of(groups: Iterable[FileGroup], typical: Mapping[str, float]) -> Backlog:
    """Returns the sum of the groups; `typical` are the mean sizes of stored files by attachment."""
    files = sized = size = 0
    estimate: float | None = 0.0
    for group in groups:
        files, sized, size = files + group.number, sized + group.sized, size + group.size
        unsized = group.number - group.sized
        if unsized and group.attachment not in typical:
            estimate = None
        elif unsized and estimate is not None:
            estimate += unsized * typical[group.attachment]
    return Backlog(
        files=files, sized=sized, size=size, estimate=None if estimate is None else round(estimate)
    )


class QueueTotals(NamedTuple):
    """Everything to come, in groups; `typical` are the mean sizes of stored files by attachment."""

    groups: Sequence[FileGroup]
    typical: Mapping[str, float]

    @property
    def backlog(self) -> Backlog:
        return backlog_of(self.groups, self.typical)
