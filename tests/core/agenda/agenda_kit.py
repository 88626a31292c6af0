"""Orders with windows and captures, for the tests of the agenda."""

from datetime import datetime, timedelta
from typing import Any

from tests.db.kit import NOW, an_order

from orderwatch.core.agenda.entries import Entry, EntryKind, entries_of
from orderwatch.core.model import Capture, CapturePhase, Order, TrackedStatus
from orderwatch.core.orders.publication_lag import Lag, Lags

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LAGS = Lags({"L1": Lag(median=4 * HOUR, sigma=0.3, learned=9)})


def a_capture(
    phase: CapturePhase | None = CapturePhase.PLANNED,
    start: datetime | None = NOW + DAY,
    **fields: Any,  # noqa: ANN401 - of any field
) -> Capture:
    status: TrackedStatus[CapturePhase] = TrackedStatus(word=phase or "resting", phase=phase)
    return Capture(**{"capture_id": "c1", "status": status, "start": start, **fields})


def dated(*taken: Capture, **fields: Any) -> Order:  # noqa: ANN401 - as above
    given = {"start": NOW - DAY, "end": NOW + 9 * DAY, "product": "L1", "task_name": "Quay", "version": 3}
    return an_order(1, captures=taken, last_seen_at=NOW, **{**given, **fields})


def of_kind(order: Order, kind: EntryKind) -> list[Entry]:
    return [entry for entry in entries_of([order], LAGS, NOW) if entry.kind is kind]
