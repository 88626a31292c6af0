"""The words of v2 for the statuses of v1, and when they are shown."""

from orderwatch.simulator.documents import Moves, current
from orderwatch.simulator.orders import Capture, Order
from orderwatch.simulator.v2.settings import V2, Event

_DELIVERED = {"delivered", "complete", "completed", "success", "succeeded"}
_CANCELED = "canceled"
_ORDERS = dict.fromkeys(("completed", "failed", "expired", "rejected"), "closed")
_CAPTURES = {
    "planned": "queued",
    "tasked": "scheduled",
    "captured": "acquired",
    "processing": "acquired",
    "published": "acquired",
    "rejected": "failed",
}
_EVENTS = {
    "in_progress": "OrderAccepted",
    "rejected": "OrderAnalysisFailed",
    "failed": "OrderForceClosed",
    "expired": "OrderForceClosed",
    "canceled": "OrderCancellationAccepted",
}
_BAD = {"rejected", "failed", "expired"}


def order_word(order: Order, options: V2, at: float, *, is_listed: bool = False) -> str:
    """Return the status of a visible order, later than in v1 if the options say so."""
    moves, seen = order.v2_status or order.status, _seen(options, at, is_listed=is_listed)
    word = current(moves, seen) or moves[0][1]
    if word == _CANCELED:
        since = seen - last_change(order, options, at, is_listed=is_listed)
        word = "in_progress" if options.cancel_flap[0] <= since < options.cancel_flap[1] else word
    return spelled(word if order.v2_status else _ORDERS.get(word, word), options)


def last_change(order: Order, options: V2, at: float, *, is_listed: bool = False) -> float:
    """Return the second of the last change of status that is shown."""
    moves, seen = order.v2_status or order.status, _seen(options, at, is_listed=is_listed)
    return max((second for second, _ in moves if second <= seen), default=moves[0][0])


def capture_word(capture: Capture, options: V2, at: float) -> str | None:
    """Return the status of a capture; None before its first."""
    word = current(capture.v2_status or capture.status, at)
    return None if word is None else spelled(_CAPTURES.get(word, word), options)


def is_delivered(word: str | None) -> bool:
    return word is not None and word.lower() in _DELIVERED


def spelled(word: str, options: V2) -> str:
    match options.letters:
        case "as_is":
            return word
        case "upper":
            return word.upper()
        case "lower":
            return word.lower()


def derived_events(order: Order) -> list[Event]:
    """Return the events of an order's statuses, and of what failed for a reason."""
    found = [
        Event(at=second, type=_EVENTS[word], message=(order.reason or None) if word in _BAD else None)
        for second, word in order.status
        if word in _EVENTS
    ]
    for capture in order.captures:
        found += _failure("CaptureFailed", capture.v2_status or capture.status, capture.reason)
        for deliverable in capture.deliverables or ():
            found += _failure("DeliverableFailed", deliverable.status or (), deliverable.reason)
    return found


def _failure(kind: str, moves: Moves, reason: str) -> list[Event]:
    return [Event(at=moves[-1][0], type=kind, message=reason)] if reason and moves else []


def _seen(options: V2, at: float, *, is_listed: bool) -> float:
    return at - options.lag - (options.list_lag if is_listed else 0.0)
