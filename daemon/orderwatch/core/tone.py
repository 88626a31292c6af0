"""How an order stands, as a colour may tell it."""

from enum import StrEnum

from orderwatch.core.model import CapturePhase, DeliveryState, Order, OrderPhase, OrderState
from orderwatch.core.outcome import is_complete


class Tone(StrEnum):
    """From what wants a person to what needs nobody any more."""

    TROUBLE = "trouble"  # lost, failed, or a delivery that waits for an operator
    MOVING = "moving"  # taken, published, or being fetched
    PLANNED = "planned"  # a capture has its time
    WAITING = "waiting"  # nothing is planned
    STORED = "stored"  # everything that came is here
    ENDED = "ended"  # it brought nothing, as was wished


_FAILED = {OrderPhase.FAILED, OrderPhase.REJECTED}
_STUCK = {DeliveryState.PARKED, DeliveryState.GIVEN_UP}


def tone(order: Order) -> Tone:
    phase, captures = order.standing.phase, [c for c in order.captures if not c.failed]
    if order.state is OrderState.LOST or phase in _FAILED or any(d.state in _STUCK for d in order.deliveries):
        return Tone.TROUBLE
    if not is_complete(order) and any(c.standing.phase in _UNDER_WAY for c in captures):
        return Tone.MOVING
    if any(not c.standing.final for c in captures):
        return Tone.PLANNED
    if any(d.state.settled for d in order.deliveries):
        return Tone.STORED
    return Tone.ENDED if order.standing.final else Tone.WAITING


_UNDER_WAY = {CapturePhase.CAPTURED, CapturePhase.PROCESSING, CapturePhase.PUBLISHED}
