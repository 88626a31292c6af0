"""What the statuses of STAPI mean. An unknown status is kept and decides nothing."""

from collections.abc import Mapping

from orderwatch.core.model import OrderPhase
from orderwatch.core.orders.watches import fold_status

_RECEIVED, _PROGRESS, _CANCELED = OrderPhase.RECEIVED, OrderPhase.IN_PROGRESS, OrderPhase.CANCELED
_PHASES: Mapping[str, OrderPhase] = {
    "received": _RECEIVED,
    "accepted": _RECEIVED,
    "held": _RECEIVED,  # for a review by the provider
    "reserved": _RECEIVED,  # until the customer acts, such as pays
    "scheduled": _PROGRESS,
    "tasked": _PROGRESS,
    "processing": _PROGRESS,
    "completed": OrderPhase.COMPLETED,
    "failed": OrderPhase.FAILED,
    "rejected": OrderPhase.REJECTED,
    "expired": OrderPhase.EXPIRED,
    "canceled": _CANCELED,
    "cancelled": _CANCELED,
    "user_canceled": _CANCELED,
    "user_cancelled": _CANCELED,
}


def order_phase(word: str) -> OrderPhase | None:
    return _PHASES.get(fold_status(word))
