"""Trouble of a whole account, said once when it begins and once when it ends."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from orderwatch.errors import ProviderError, RefusedError

log = structlog.get_logger()

_SLOWEST = timedelta(minutes=5)
_SLOWEST_REFUSED = timedelta(minutes=15)


class Outage:
    """Decides when a troubled account is asked again; one probe at a time, ever more seldom."""

    def __init__(
        self, account: str, first: timedelta, now: Callable[[], datetime], rng: random.Random
    ) -> None:
        self._account = account
        self._first = first
        self._now = now
        self._rng = rng
        self._began: datetime | None = None
        self._failures = 0
        self._until: datetime | None = None
        self.refused = False

    @property
    def lasts(self) -> bool:
        return self._began is not None

    @property
    def holds(self) -> bool:
        """Nobody should ask the account now."""
        return self._until is not None and self._now() < self._until

    def failed(self, error: ProviderError) -> None:
        now = self._now()
        refused = isinstance(error, RefusedError)
        if self._began is None or refused != self.refused:
            if refused:
                log.error("account.refused", account=self._account, reason=str(error))
            else:
                log.warning("account.unavailable", account=self._account, reason=str(error))
        self._began = self._began or now
        self.refused = refused
        slowest = _SLOWEST_REFUSED if refused else _SLOWEST
        pause = min(slowest, self._first * 2 ** min(self._failures, 20))
        self._failures += 1
        self._until = now + pause * self._rng.uniform(0.5, 1)

    def succeeded(self) -> None:
        if self._began is not None:
            lasted = round((self._now() - self._began).total_seconds())
            log.info(
                "account.recovered", account=self._account, lasted_seconds=lasted, failures=self._failures
            )
        self._began, self._until, self._failures, self.refused = None, None, 0, False
