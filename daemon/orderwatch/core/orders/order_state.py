"""An order is done by outcome, not by word."""

from datetime import datetime, timedelta
from enum import StrEnum

from orderwatch.core.model import Capture, CapturePhase, DeliveryState, Order, OrderPhase, OrderState


def state_of(order: Order, now: datetime, grace: timedelta) -> OrderState:
    """Open until its final word; done when everything is here and the time for late files is over."""
    if not order.status.final:
        return OrderState.OPEN
    final_at, doubted_at = order.final_at, order.status.doubted_at
    over = final_at is not None and now >= final_at + grace
    doubted = doubted_at is not None and now < doubted_at + grace  # a word nobody knows doubts for ever
    settled = over and not doubted and is_complete(order)
    return OrderState.DONE if settled else OrderState.SETTLING


def is_complete(order: Order) -> bool:
    """Every capture is settled, and every scene of every published capture is stored."""
    return all(_is_settled(order, c) and not awaits_files(order, c) for c in order.captures)


def _is_settled(order: Order, capture: Capture) -> bool:
    """Its word is final; where nobody knows the word, its files were asked for after the order's end."""
    if capture.status.phase is not None:
        return capture.status.final
    seen_at = capture.scenes_seen_at
    return order.final_at is not None and seen_at is not None and seen_at >= order.final_at


def awaits_files(order: Order, capture: Capture) -> bool:
    """A published capture that has not brought everything it should."""
    if capture.published_at is None:
        return False
    wanted = order.deliveries_of(capture.capture_id)
    promised = capture.status.phase is not None and not capture.failed
    owed = promised and (capture.lacking or not wanted)
    return owed or any(not d.state.settled for d in wanted)


class DisplayState(StrEnum):
    """From what wants a person to what needs nobody any more."""

    TROUBLE = "trouble"  # lost, failed, or a delivery that waits for an operator
    MOVING = "moving"  # taken, published, or being fetched
    PLANNED = "planned"  # a capture has its time
    WAITING = "waiting"  # nothing is planned
    STORED = "stored"  # everything that came is here
    ENDED = "ended"  # it brought nothing, as was wished


_FAILED = {OrderPhase.FAILED, OrderPhase.REJECTED}
_STUCK = {DeliveryState.PARKED, DeliveryState.GIVEN_UP}


def display_state(order: Order) -> DisplayState:
    phase, captures = order.status.phase, [c for c in order.captures if not c.failed]
    if order.state is OrderState.LOST or phase in _FAILED or any(d.state in _STUCK for d in order.deliveries):
        return DisplayState.TROUBLE
    if not is_complete(order) and any(c.status.phase in _UNDER_WAY for c in captures):
        return DisplayState.MOVING
    if any(not c.status.final for c in captures):
        return DisplayState.PLANNED
    if any(d.state.settled for d in order.deliveries):
        return DisplayState.STORED
    return DisplayState.ENDED if order.status.final else DisplayState.WAITING


_UNDER_WAY = {CapturePhase.CAPTURED, CapturePhase.PROCESSING, CapturePhase.PUBLISHED}
