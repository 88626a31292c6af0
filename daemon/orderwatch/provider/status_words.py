"""What the provider's words mean. A word that is not here is data, not an error."""

from collections.abc import Mapping

from orderwatch.core.model import CapturePhase, OrderPhase
from orderwatch.core.name_patterns import fold_status

_ORDER: Mapping[str, OrderPhase] = {
    **{phase.value: phase for phase in OrderPhase},
    "accepted": OrderPhase.RECEIVED,
    "cancelled": OrderPhase.CANCELED,
    "programming": OrderPhase.IN_PROGRESS,
    "submitted": OrderPhase.RECEIVED,
}
_CAPTURE: Mapping[str, CapturePhase] = {
    **{phase.value: phase for phase in CapturePhase},
    "acquired": CapturePhase.CAPTURED,
    "cancelled": CapturePhase.CANCELED,
    "collecting": CapturePhase.TASKED,
    "complete": CapturePhase.PUBLISHED,
    "completed": CapturePhase.PUBLISHED,
    "delivered": CapturePhase.PUBLISHED,
    "downloaded": CapturePhase.CAPTURED,
    "error": CapturePhase.FAILED,
    "not_delivered": CapturePhase.FAILED,
    "queued": CapturePhase.PLANNED,
    "scheduled": CapturePhase.PLANNED,
}


def order_phase(word: str) -> OrderPhase | None:
    return _ORDER.get(fold_status(word))


def capture_phase(word: str) -> CapturePhase | None:
    return _CAPTURE.get(fold_status(word))
