"""What the words of the v2 API mean. An unknown word is kept and decides nothing."""

from collections.abc import Mapping

from orderwatch.core.model import CapturePhase, OrderPhase
from orderwatch.core.orders.watches import fold_status
from orderwatch.provider import schemas

_ORDER: Mapping[str, OrderPhase] = {"queued": OrderPhase.RECEIVED}
_DELIVERABLE: Mapping[str, CapturePhase] = {
    **dict.fromkeys(
        ("delivered", "complete", "completed", "success", "succeeded"),
        CapturePhase.PUBLISHED,
    ),
    **dict.fromkeys(("queued", "processing"), CapturePhase.PROCESSING),
    **dict.fromkeys(
        (
            "failed",
            "failure",
            "not_delivered",
            "rejected",
            "expired",
            "error",
            "canceled",
            "cancelled",
        ),
        CapturePhase.FAILED,
    ),
}


def order_phase(word: str) -> OrderPhase | None:
    """Return the phase of an order's status; `closed` leaves open whether it succeeded."""
    return schemas.order_phase(word) or _ORDER.get(fold_status(word))


def deliverable_phase(word: str) -> CapturePhase | None:
    """Return the phase of a capture that has a deliverable of this status alone."""
    return _DELIVERABLE.get(fold_status(word))
