"""Download hosts that bring nothing: said once for an account when it begins and when it ends."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from orderwatch.core.breaker import SLOWEST, Failed, Trouble, troubled

log = structlog.get_logger()

_ENOUGH = 3  # downloads in a row that brought nothing
_FIRST = timedelta(seconds=30)


class Outages:
    """By account. While one lasts a single download tries now and then, ever more seldom."""

    def __init__(self) -> None:
        self._in_a_row: Counter[str] = Counter()
        self._lasting: dict[str, Trouble] = {}

    def lasts(self, account: str) -> bool:
        return account in self._lasting

    def holds(self, account: str, now: datetime) -> bool:
        """No download should begin now; what was set by another clock does not count."""
        trouble = self._lasting.get(account)
        return trouble is not None and now < trouble.until <= now + SLOWEST

    def tried(self, account: str, now: datetime) -> None:
        """A download begins: the others wait for what becomes of it."""
        if account in self._lasting:
            self._lasting[account] = replace(self._lasting[account], until=now + SLOWEST)

    def failed(self, account: str, reason: str, now: datetime, spread: float) -> None:
        """The network's trouble ended a download that had brought nothing; `spread` draws the jitter."""
        self._in_a_row[account] += 1
        if self._in_a_row[account] < _ENOUGH:
            return
        known, failure = self._lasting.get(account), Failed(refused=False, reason=reason)
        self._lasting[account] = troubled(known, failure, now, first=_FIRST, gentle=False, spread=spread)
        if known is None:
            log.warning("downloads.failing", account=account, reason=reason)

    def brought(self, account: str) -> None:
        """Bytes came."""
        failures = self._in_a_row.pop(account, 0)
        if self._lasting.pop(account, None):
            log.info("downloads.restored", account=account, failures=failures)
