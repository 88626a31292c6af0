"""How a provider's word is taken: each move is classified, and a final status is sticky."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orderwatch.core.model import CapturePhase, OrderPhase, P, TrackedStatus, TransitionKind

NO_STATUS = "(no status)"  # shown where the provider has never said one

_O, _C = OrderPhase, CapturePhase

ORDER_TRANSITIONS: Mapping[OrderPhase, frozenset[OrderPhase]] = {
    _O.RECEIVED: frozenset({_O.IN_PROGRESS, _O.REJECTED, _O.CANCELED, _O.FAILED, _O.EXPIRED, _O.CLOSED}),
    _O.IN_PROGRESS: frozenset({_O.COMPLETED, _O.FAILED, _O.REJECTED, _O.CANCELED, _O.EXPIRED, _O.CLOSED}),
}
CAPTURE_TRANSITIONS: Mapping[CapturePhase, frozenset[CapturePhase]] = {
    _C.PLANNED: frozenset({_C.TASKED, _C.CAPTURED, _C.FAILED, _C.CANCELED, _C.REJECTED}),
    _C.TASKED: frozenset({_C.PLANNED, _C.CAPTURED, _C.FAILED, _C.CANCELED, _C.REJECTED}),
    _C.CAPTURED: frozenset({_C.PROCESSING, _C.FAILED, _C.CANCELED, _C.REJECTED}),
    _C.PROCESSING: frozenset({_C.PUBLISHED, _C.FAILED, _C.CANCELED, _C.REJECTED}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRules:
    """The moment of one look, and how long a contradicted final status holds."""

    now: datetime
    again: bool  # the look of this very moment was taken before: it raises no new doubt
    doubts_needed: int
    doubted_for: timedelta


def update_status(
    held: TrackedStatus[P] | None,
    said: TrackedStatus[P],
    hearing: StatusRules,
    transitions: Mapping[P, frozenset[P]],
) -> tuple[TrackedStatus[P], TransitionKind | None]:
    """What we hold after hearing what is `said`; the kind is None where the word did not move.

    A word that nobody knows leaves a final phase, and takes away any other.
    """
    if not said.word:
        return (held, None) if held else (replace(said, word=NO_STATUS), TransitionKind.UNKNOWN)
    if held is None:
        return said, TransitionKind.UNKNOWN if said.phase is None else TransitionKind.FIRST
    kind = None if said.word == held.word else classify(held.phase, said.phase, transitions)
    if not held.final or said.final:
        return said, kind
    now, doubts, since = hearing.now, held.doubts, held.doubted_at
    if since is None or said.word != held.word:
        doubts, since = 1, now
    elif not hearing.again:
        doubts += 1
    if said.phase is not None and doubts >= hearing.doubts_needed and now >= since + hearing.doubted_for:
        return said, kind
    return replace(held, word=said.word, doubts=doubts, doubted_at=since), kind


def classify(before: P | None, after: P | None, transitions: Mapping[P, frozenset[P]]) -> TransitionKind:
    """Name the move between two phases; None stands for a word we do not know."""
    if after is None:
        return TransitionKind.UNKNOWN
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
