"""Runs the daemon's checks: at the start, periodically and after problems; logs each finding once."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

import structlog

from orderwatch.service.maintenance.checks.finding import Check, CheckResult

log = structlog.get_logger()

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_SLOW_KINDS = {"database": _DAY}  # slow checks run once a day
_RECHECK_INTERVAL = timedelta(minutes=1)  # while a check fails
_QUICK_KINDS = ""  # stands for all checks that are not slow
_MIN_INTERVAL = timedelta(seconds=10)  # between two requested runs

# Findings that only the checks log, by kind.
_BEGIN_EVENTS = {
    "space": "space.short",
    "database": "database.damaged",
    "certificate": "certificate.ending",
}
_END_EVENTS = {
    "space": "space.enough",
    "database": "database.sound",
    "certificate": "certificate.renewed",
}
_SERIOUS = {"space", "database"}


class CheckRunner:
    """Runs `checks`; `findings` are the latest results by check name."""

    def __init__(self, checks: Sequence[Check], now: Callable[[], datetime]) -> None:
        self.checks = checks
        self.findings: dict[str, CheckResult] = {}
        self._now = now
        self._done: dict[str, datetime] = {}
        self._requested: set[str] = set()  # requested kinds
        self._open: dict[str, Check] = {}  # failed checks that are logged

    def request(self, *kinds: str) -> None:
        """Run checks of these kinds, or all quick ones, at the next tick."""
        self._requested |= set(kinds or (_QUICK_KINDS,))

    async def run_due(self) -> None:
        """Run every check that is due."""
        now, requested = self._now(), self._requested
        self._requested = set()
        self._drop_removed()
        for check in self.checks:
            if self._is_due(check, now, requested):
                self._done[check.name] = now
                self._handle(check, await check.run())
                await asyncio.sleep(0)

    def _is_due(self, check: Check, now: datetime, requested: Collection[str]) -> bool:
        done, is_slow = self._done.get(check.name), check.kind in _SLOW_KINDS
        interval = _SLOW_KINDS.get(check.kind) or (_RECHECK_INTERVAL if check.name in self._open else _HOUR)
        if done is None or not done <= now < done + interval:
            return True
        if check.kind not in requested and (_QUICK_KINDS not in requested or is_slow):
            return False
        if now < done + _MIN_INTERVAL:
            self._requested.add(check.kind)  # at a later tick
            return False
        return True

    def _handle(self, check: Check, result: CheckResult | None) -> None:
        """Log a change of the result; an unknown result (None) changes nothing."""
        if result is None:
            return
        self.findings[check.name] = result
        if check.kind not in _BEGIN_EVENTS or result.ok is (check.name not in self._open):
            return
        if result.ok:
            del self._open[check.name]
            log.info(_END_EVENTS[check.kind], **check.facts)
        else:
            self._open[check.name] = check
            write_log = log.error if check.kind in _SERIOUS else log.warning
            write_log(_BEGIN_EVENTS[check.kind], **check.facts, reason=result.detail)

    def _drop_removed(self) -> None:
        """End the findings of checks that a reload removed."""
        names = {check.name for check in self.checks}
        for name in self._open.keys() - names:
            check = self._open.pop(name)
            log.info(_END_EVENTS[check.kind], **check.facts)
        self.findings = {name: result for name, result in self.findings.items() if name in names}
