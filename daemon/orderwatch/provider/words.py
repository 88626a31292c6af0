"""What the provider's words mean. A word that is not here is data, not an error."""

from collections.abc import Mapping

from orderwatch.core.model import CapturePhase, OrderPhase

_ORDER: Mapping[str, OrderPhase] = {
    **{phase.value: phase for phase in OrderPhase},
    "cancelled": OrderPhase.CANCELED,
}
_CAPTURE: Mapping[str, CapturePhase] = {
    **{phase.value: phase for phase in CapturePhase},
    "acquired": CapturePhase.CAPTURED,
    "cancelled": CapturePhase.CANCELED,
    "scheduled": CapturePhase.PLANNED,
}


def order_phase(word: str) -> OrderPhase | None:
    return _ORDER.get(word.lower())


def capture_phase(word: str) -> CapturePhase | None:
    return _CAPTURE.get(word.lower())
