"""How an order ended: long ago or just now, and whether its reason is still to be requested."""

from datetime import datetime, timedelta
from typing import Protocol

from orderwatch.core.model import Order, OrderPhase, TrackedStatus
from orderwatch.core.orders.status import LEAVES_OPEN

# An order that was first seen final so long after its window needs nobody.
_HISTORY_AGE = timedelta(days=30)


class Ended(Protocol):
    @property
    def end(self) -> datetime | None: ...

    @property
    def final_at(self) -> datetime | None: ...


def is_history(order: Ended) -> bool:
    """Returns whether the order was first seen final long after its window."""
    final_at, end = order.final_at, order.end
    return final_at is not None and end is not None and end < final_at - _HISTORY_AGE


def reason_due(order: Order) -> bool:
    """Returns whether to request an order of which the list shows only that it ended, not why.

    That is once after its end, since a reason that is known may be that of a capture before; and at every
    poll while it has neither files nor a reason. Success needs no reason.
    """
    if order.final_at is None or order.status.phase is OrderPhase.COMPLETED or is_history(order):
        return False
    is_new = order.looked_at is None or order.looked_at < order.final_at
    return is_new or not (order.deliveries or order.reason)


def decided(held: TrackedStatus[OrderPhase] | None, seen: OrderPhase | None) -> OrderPhase | None:
    """Returns the phase that was seen; `closed` leaves open what is known already of the order's end."""
    return held.phase if seen in LEAVES_OPEN and held is not None and held.final else seen
