"""Orders whose looks fail: each is left alone ever longer, and its trouble is said once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from orderwatch.core.orders.poll_schedule import Pace
from orderwatch.errors import ProviderError, UnexpectedError

log = structlog.get_logger()

_LONGEST = 6  # intervals


@dataclass
class _Trouble:
    failures: int = 0
    at: datetime | None = None
    said: str | None = None


class OrderBackoff:
    def __init__(self, account: str, pace: Pace, now: Callable[[], datetime]) -> None:
        self._account = account
        self._pace = pace
        self._now = now
        self._troubles: dict[int, _Trouble] = {}

    def holds(self, task_id: int) -> bool:
        trouble = self._troubles.get(task_id)
        if trouble is None or trouble.at is None:
            return False
        # A moment to come can only be of a clock that was set back.
        return timedelta(0) <= self._now() - trouble.at < self._pause(trouble)

    def knows(self, task_id: int) -> bool:
        """Its last look failed."""
        return task_id in self._troubles

    def failed(self, task_id: int, error: ProviderError | UnexpectedError, *, aloud: bool = True) -> None:
        """Say it where it is this order's own trouble, and not said yet."""
        trouble = self._troubles.setdefault(task_id, _Trouble())
        trouble.failures += 1
        trouble.at = self._now()
        # One error of our own may show at several places.
        said = "unexpected" if isinstance(error, UnexpectedError) else str(error)
        if aloud and trouble.said != said:
            trouble.said = said
            log.warning("order.look_failed", account=self._account, task_id=task_id, reason=str(error))

    def restored(self, task_id: int) -> None:
        trouble = self._troubles.pop(task_id, None)
        if trouble is not None and trouble.said is not None:
            log.info("order.look_restored", account=self._account, task_id=task_id)

    def stepped(self, by: timedelta) -> None:
        """Our clock was set: a pause ends no later for it."""
        for trouble in self._troubles.values():
            if trouble.at is not None and by < timedelta(0):
                trouble.at += by

    def _pause(self, trouble: _Trouble) -> timedelta:
        doubled = self._pace.interval * (1 << min(trouble.failures - 1, _LONGEST))
        return min(doubled, _LONGEST * self._pace.interval)
