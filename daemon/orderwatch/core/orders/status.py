"""Updates a status by the provider's: each change is classified, and a final status is sticky."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orderwatch.core.model import (
    CapturePhase,
    OrderKey,
    OrderPhase,
    P,
    Subject,
    TrackedStatus,
    Transition,
    TransitionKind,
)

NO_STATUS = "(no status)"  # shown if the provider has never given one

_O, _C = OrderPhase, CapturePhase

ORDER_TRANSITIONS: Mapping[OrderPhase, frozenset[OrderPhase]] = {
    _O.RECEIVED: frozenset({_O.IN_PROGRESS, _O.REJECTED, _O.CANCELED, _O.FAILED, _O.EXPIRED, _O.CLOSED}),
    _O.IN_PROGRESS: frozenset({_O.COMPLETED, _O.FAILED, _O.REJECTED, _O.CANCELED, _O.EXPIRED, _O.CLOSED}),
}
LEAVES_OPEN: Collection[object] = {_O.CLOSED}  # how it ended, so that a further final phase is a step
CAPTURE_TRANSITIONS: Mapping[CapturePhase, frozenset[CapturePhase]] = {
    _C.PLANNED: frozenset({_C.TASKED, _C.CAPTURED, _C.FAILED, _C.CANCELED, _C.REJECTED}),
    _C.TASKED: frozenset({_C.PLANNED, _C.CAPTURED, _C.FAILED, _C.CANCELED, _C.REJECTED}),
    _C.CAPTURED: frozenset({_C.PROCESSING, _C.FAILED, _C.CANCELED, _C.REJECTED}),
    _C.PROCESSING: frozenset({_C.PUBLISHED, _C.FAILED, _C.CANCELED, _C.REJECTED}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRules:
    """The time of one observation, and how long a contradicted final status holds."""

    now: datetime
    again: bool  # an observation of this very time was applied before: it raises no new doubt
    doubts_needed: int
    doubted_for: timedelta


class TransitionLog:
    """The status changes of one order at one time, and the statuses that orderwatch does not know."""

    def __init__(self, account: str, key: OrderKey, now: datetime) -> None:
        self._account = account
        self._key = key
        self._now = now
        self.transitions: list[Transition] = []
        self.unknown: list[str] = []

    def add(
        self, subject: Subject, before: str | None, after: str, kind: TransitionKind, **details: str | None
    ) -> None:
        """Adds a status change; `details` are further fields of `Transition`."""
        self.transitions.append(
            Transition(
                at=self._now,
                account=self._account,
                order_id=self._key.order_id,
                task_id=self._key.task_id,
                subject=subject,
                before=before,
                after=after,
                kind=kind,
                **details,
            )
        )


def update_status(
    held: TrackedStatus[P] | None,
    shown: TrackedStatus[P],
    rules: StatusRules,
    transitions: Mapping[P, frozenset[P]],
) -> tuple[TrackedStatus[P], TransitionKind | None]:
    """Returns the status after the provider has `shown` one; the kind is None if it did not change.

    An unknown status replaces any phase but a final one.
    """
    if not shown.word:
        return (held, None) if held else (replace(shown, word=NO_STATUS), TransitionKind.UNKNOWN)
    if held is None:
        return shown, TransitionKind.UNKNOWN if shown.phase is None else TransitionKind.FIRST
    kind = None if shown.word == held.word else classify(held.phase, shown.phase, transitions)
    if not held.final or shown.final:
        return shown, kind
    now, doubts, since = rules.now, held.doubts, held.doubted_at
    if since is None or shown.word != held.word:
        doubts, since = 1, now
    elif not rules.again:
        doubts += 1
    if shown.phase is not None and doubts >= rules.doubts_needed and now >= since + rules.doubted_for:
        return shown, kind
    return replace(held, word=shown.word, doubts=doubts, doubted_at=since), kind


def classify(before: P | None, after: P | None, transitions: Mapping[P, frozenset[P]]) -> TransitionKind:
    """Classifies the change between two phases; None stands for an unknown status."""
    if after is None:
        return TransitionKind.UNKNOWN
    if before in LEAVES_OPEN and after.final:
        return TransitionKind.STEP
    if before is None or before == after or after in transitions.get(before, ()):
        return TransitionKind.STEP
    return TransitionKind.SKIP if after in _reachable(before, transitions) else TransitionKind.ODD


def _reachable(start: P, transitions: Mapping[P, frozenset[P]]) -> frozenset[P]:
    found: set[P] = set()
    todo = [start]
    while todo:
        for phase in transitions.get(todo.pop(), ()):
            if phase not in found:
                found.add(phase)
                todo.append(phase)
    return frozenset(found)
