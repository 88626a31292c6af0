"""An order is done by outcome, not by word."""

from datetime import datetime, timedelta

from orderwatch.core.model import Capture, Order, OrderState


def state_of(order: Order, now: datetime, grace: timedelta) -> OrderState:
    """Open until its final word; done when everything is here and the time for late files is over."""
    if not order.standing.final:
        return OrderState.OPEN
    over = order.final_at is not None and now >= order.final_at + grace
    settled = over and not order.standing.doubts and is_complete(order)
    return OrderState.DONE if settled else OrderState.SETTLING


def is_complete(order: Order) -> bool:
    """Every capture is final, and every scene of every published capture is stored."""
    return all(c.standing.final and not awaits_files(order, c) for c in order.captures)


def awaits_files(order: Order, capture: Capture) -> bool:
    """A published capture that has not brought everything it should."""
    if capture.published_at is None:
        return False
    wanted = order.deliveries_of(capture.capture_id)
    owed = not capture.failed and (capture.lacking or not wanted)
    return owed or any(not d.state.settled for d in wanted)
