"""Trouble that comes again and again is told the first, the 10th, the 100th time, and so on."""

from collections import Counter
from collections.abc import Hashable


class LogThrottle:
    """How often each trouble came in a row."""

    def __init__(self) -> None:
        self._times: Counter[Hashable] = Counter()

    def again(self, trouble: Hashable) -> int:
        """It came once more; returns how often by now."""
        self._times[trouble] += 1
        return self._times[trouble]

    def over(self, trouble: Hashable) -> None:
        """The next time is the first again."""
        del self._times[trouble]


def is_due(times: int) -> bool:
    """Whether what came so many times in a row is said once more: at 1, 10, 100 and so on."""
    while times >= 10 and times % 10 == 0:  # noqa: PLR2004 - powers of ten
        times //= 10
    return times == 1
