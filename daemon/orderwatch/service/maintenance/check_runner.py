"""The daemon's checks: at its start, by its clock, and when there is trouble; what lasts is said once."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

import structlog

from orderwatch.service.maintenance.checks.finding import Check, Finding

log = structlog.get_logger()

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_SELDOM = {"database": _DAY}  # kinds that take long
_AGAIN = timedelta(minutes=1)  # where something is wrong
_QUICK = ""  # stands for every kind that takes no time
_SOON = timedelta(seconds=10)  # at least between two that trouble asks for

# What nobody else speaks of, by kind.
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
    """`findings` are the latest, by the name of the check."""

    def __init__(self, checks: Sequence[Check], now: Callable[[], datetime]) -> None:
        self.checks = checks
        self.findings: dict[str, Finding] = {}
        self._now = now
        self._done: dict[str, datetime] = {}
        self._soon: set[str] = set()  # kinds
        self._said: dict[str, Check] = {}  # of which an end is due

    def soon(self, *kinds: str) -> None:
        """Something went wrong: look at these kinds of things, or all that is quick, with the next tick."""
        self._soon |= set(kinds or (_QUICK,))

    async def round(self) -> None:
        """Every check whose time has come."""
        now, soon = self._now(), self._soon
        self._soon = set()
        self._let_go()
        for check in self.checks:
            if self._is_due(check, now, soon):
                self._done[check.name] = now
                self._take(check, await check.run())
                await asyncio.sleep(0)

    def _is_due(self, check: Check, now: datetime, soon: Collection[str]) -> bool:
        done, seldom = self._done.get(check.name), check.kind in _SELDOM
        every = _SELDOM.get(check.kind) or (_AGAIN if check.name in self._said else _HOUR)
        if done is None or not done <= now < done + every:
            return True
        if check.kind not in soon and (_QUICK not in soon or seldom):
            return False
        if now < done + _SOON:
            self._soon.add(check.kind)  # with a later tick
            return False
        return True

    def _take(self, check: Check, found: Finding | None) -> None:
        """What cannot be told leaves everything as it was."""
        if found is None:
            return
        self.findings[check.name] = found
        if check.kind not in _BEGIN_EVENTS or found.ok is (check.name not in self._said):
            return
        if found.ok:
            del self._said[check.name]
            log.info(_END_EVENTS[check.kind], **check.facts)
        else:
            self._said[check.name] = check
            say = log.error if check.kind in _SERIOUS else log.warning
            say(_BEGIN_EVENTS[check.kind], **check.facts, reason=found.detail)

    def _let_go(self) -> None:
        """What a reload took out of the configuration is nobody's trouble any more."""
        names = {check.name for check in self.checks}
        for name in self._said.keys() - names:
            check = self._said.pop(name)
            log.info(_END_EVENTS[check.kind], **check.facts)
        self.findings = {name: found for name, found in self.findings.items() if name in names}
