"""Throttles log lines of repeated trouble to the first, 10th, 100th time, and so on."""

from collections import Counter
from collections.abc import Hashable


class LogThrottle:
    """Counts how often each trouble occurred in a row."""

    def __init__(self) -> None:
        self._times: Counter[Hashable] = Counter()

    def again(self, trouble: Hashable) -> int:
        """Counts the trouble once more, and returns the new count."""
        self._times[trouble] += 1
        return self._times[trouble]

    def over(self, trouble: Hashable) -> None:
        """Resets the count of the trouble."""
        del self._times[trouble]


def is_due(times: int) -> bool:
    """Returns whether to log the trouble this time: at 1, 10, 100 and so on."""
    while times >= 10 and times % 10 == 0:  # noqa: PLR2004 - powers of ten
        times //= 10
    return times == 1
