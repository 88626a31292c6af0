"""The events that channels receive."""

EVENTS = (
    "order.changed",
    "capture.changed",
    "delivery.stored",
    "delivery.parked",
    "delivery.given_up",
    "order.done",
    "problem.began",
    "problem.ended",
    "attention.raised",
    "attention.cleared",
)
