"""Tracks what needs a person: detects new and ended concerns, and records them with notifications."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from orderwatch.core.attention.attention import changes, concerns, unacknowledged
from orderwatch.core.attention.concern import Concern, Reason, Scope
from orderwatch.errors import DatabaseError, UnexpectedError
from orderwatch.ports import Attention
from orderwatch.service.error_boundary import contain_errors

log = structlog.get_logger()

_SHOWN_FOR = timedelta(seconds=30)
_UNLOGGED = {Reason.ORDER_FAILED, Reason.OVERDUE}


class AttentionTracker:
    """`current` are the concerns of the last update, None if unknown.

    Of several hosts one `records` what is new and what is over. `acted` returns the newest action's number.
    """

    def __init__(
        self,
        attention: Attention,
        *,
        scope: Callable[[], Scope],
        now: Callable[[], datetime],
        records: Callable[[], bool] = lambda: True,
        acted: Callable[[], int] = int,
    ) -> None:
        self._attention = attention
        self._scope = scope
        self._now = now
        self._records = records
        self._acted = acted
        self._updated: tuple[datetime, int] | None = None
        self.current: Sequence[Concern] | None = None
        self._failing = False
        self._lock = asyncio.Lock()  # two updates at once would raise a concern twice

    async def read(self) -> Sequence[Concern] | None:
        """Return what needs a person now, None if unknown."""
        await self.update()
        return self.current

    async def update_if_due(self) -> None:
        """Update; a host that only shows the concerns does so twice a minute, and when someone has acted."""
        if not self._records() and self.current is not None and self._updated is not None:
            at, number = self._updated
            if number == self._acted() and timedelta(0) <= self._now() - at < _SHOWN_FOR:
                return
        await self.update()

    async def update(self) -> None:
        """Compare the rows with the concerns raised before.

        If that fails, `current` is None, which never means that all is well. The store logs its errors.
        """
        async with self._lock:
            try:
                with contain_errors():
                    await self._round()
            except DatabaseError as error:
                self.current = None
                log.debug("attention.unread", reason=str(error))
            except UnexpectedError as error:
                self.current = None
                if not self._failing:
                    log.warning("attention.failing", reason=str(error))
                self._failing = True
            else:
                if self._failing:
                    log.info("attention.restored")
                self._failing = False

    async def _round(self) -> None:
        now = self._now()
        self._updated = now, self._acted()
        evidence = await self._attention.evidence(now)
        found = concerns(evidence, now, self._scope())
        if self._records() and (news := changes(found, evidence.raised)):
            await self._attention.record(news, now)
            for concern in news.raised:
                _log_raised(concern)
            for concern in news.cleared:
                log.info("attention.cleared", **_facts(concern))
        self.current = unacknowledged(found)


def _log_raised(concern: Concern) -> None:
    """Log a new concern; as a warning only if nothing else has logged its reason."""
    if concern.reason in _UNLOGGED:
        log.warning("attention.raised", **_facts(concern), remedy=concern.remedy)
    else:
        log.info("attention.raised", **_facts(concern), remedy=concern.remedy)


def _facts(concern: Concern) -> dict[str, object]:
    facts = {
        "reason": str(concern.reason),
        "account": concern.account,
        "order_id": concern.order_id,
        "task_id": concern.task_id,
        "capture_id": concern.capture_id,
        "scene_id": concern.scene_id,
        "name": concern.name,
        "text": concern.text,
    }
    return {name: value for name, value in facts.items() if value is not None}
