"""Keeps what needs a person: notices what is new or over, and records it with its notes."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from orderwatch.core.attention.attention import changes, concerns, unacknowledged
from orderwatch.core.attention.concern import Concern, Reason, Scope
from orderwatch.errors import DatabaseError, UnexpectedError
from orderwatch.ports import AttentionRecords
from orderwatch.service.error_boundary import contained

log = structlog.get_logger()

_UNLOGGED = {Reason.ORDER_FAILED, Reason.OVERDUE}


class AttentionTracker:
    """`current` is what people see, as of the last round; None where it is not known."""

    def __init__(
        self, records: AttentionRecords, *, scope: Callable[[], Scope], now: Callable[[], datetime]
    ) -> None:
        self._records = records
        self._scope = scope
        self._now = now
        self.current: Sequence[Concern] | None = None
        self._failing = False
        self._turn = asyncio.Lock()  # two rounds at once would raise the same twice

    async def read(self) -> Sequence[Concern] | None:
        """Return what needs a person at this moment; None where that cannot be known."""
        await self.round()
        return self.current

    async def round(self) -> None:
        """Compare the rows with what was raised before.

        Where that fails nobody says that all is well: `current` is None. Trouble with the database is logged
        by the store.
        """
        async with self._turn:
            try:
                with contained():
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
        evidence = await self._records.attention(now)
        found = concerns(evidence, now, self._scope())
        if news := changes(found, evidence.raised):
            await self._records.note_attention(news, now)
            for concern in news.raised:
                _log_raised(concern)
            for concern in news.cleared:
                log.info("attention.cleared", **_facts(concern))
        self.current = unacknowledged(found)


def _log_raised(concern: Concern) -> None:
    """The other reasons were logged as warnings when they began."""
    if concern.reason in _UNLOGGED:
        log.warning("attention.raised", **_facts(concern), remedy=concern.remedy)
    else:
        log.info("attention.raised", **_facts(concern), remedy=concern.remedy)


def _facts(concern: Concern) -> dict[str, object]:
    facts = {
        "reason": str(concern.reason),
        "account": concern.account,
        "task_id": concern.task_id,
        "capture_id": concern.capture_id,
        "scene_id": concern.scene_id,
        "name": concern.name,
        "text": concern.text,
    }
    return {name: value for name, value in facts.items() if value is not None}
