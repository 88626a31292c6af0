"""Joins captures with their deliverables, whose statuses decide what is published."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from orderwatch.core.model import CapturePhase
from orderwatch.core.orders.snapshot import CaptureSnapshot
from orderwatch.provider.v2.rows import CaptureRow, DeliverableRow

# Of several deliverables the first of these counts; one of an unknown status may be delivered.
_RANKS = (CapturePhase.PUBLISHED, None, CapturePhase.PROCESSING, CapturePhase.FAILED)
_AWAITS_DELIVERABLES = {CapturePhase.CAPTURED, CapturePhase.PROCESSING}


def join(captures: Iterable[CaptureRow], deliverables: Iterable[DeliverableRow]) -> Iterator[CaptureSnapshot]:
    """Yield each capture once, and one for each capture that only deliverables show."""
    made: defaultdict[str, list[DeliverableRow]] = defaultdict(list)
    for row in {row.deliverable_id: row for row in deliverables}.values():
        made[row.capture_id].append(row)
    shown = {row.capture_id: row.to_snapshot() for row in captures}
    unlisted = {
        capture_id: CaptureSnapshot(capture_id=capture_id, status="", phase=CapturePhase.CAPTURED)
        for capture_id in made
        if capture_id not in shown
    }
    for capture_id, seen in (shown | unlisted).items():
        yield _decided(seen, made.get(capture_id, ()))


def _decided(seen: CaptureSnapshot, made: Iterable[DeliverableRow]) -> CaptureSnapshot:
    best = min(made, key=lambda row: _RANKS.index(row.phase), default=None)
    if best is None or (best.phase is not CapturePhase.PUBLISHED and seen.phase not in _AWAITS_DELIVERABLES):
        return seen
    return replace(seen, status=best.status, phase=best.phase)
