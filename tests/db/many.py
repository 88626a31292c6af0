"""Three hundred orders, of which seven need a person, each for another reason."""

from dataclasses import replace
from datetime import datetime, timedelta

from tests.db.kit import a_delivery, a_move, an_order

from orderwatch.core.model import (
    Capture,
    CapturePhase,
    DeliveryState,
    Order,
    OrderPhase,
    OrderState,
    Subject,
    TrackedStatus,
    Transition,
    TransitionKind,
)
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import Store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ORDERS = 300
NEEDY = {
    17: "given_up",
    64: "parked",
    101: "order_failed",
    133: "lost",
    181: "overdue",
    223: "unknown_status",
    287: "given_up",
}
_PROJECTS = ("Harbour east", "Port of Rotterdam", "Iron ore, Pilbara", "Wheat, Córdoba")
_RECEIVED: TrackedStatus[OrderPhase] = TrackedStatus(word="in_progress", phase=OrderPhase.IN_PROGRESS)
_COMPLETED: TrackedStatus[OrderPhase] = TrackedStatus(word="completed", phase=OrderPhase.COMPLETED)
_REJECTED: TrackedStatus[OrderPhase] = TrackedStatus(word="rejected", phase=OrderPhase.REJECTED)


async def many(store: Store, now: datetime) -> None:
    """Write them all; a third of the healthy ones is done."""
    await store.maintenance.restore([_verdict(number, now) for number in range(1, ORDERS + 1)])


def _verdict(number: int, now: datetime) -> Verdict:
    order = _healthy(number, now)
    moved = replace(a_move(task_id=number, after=order.status.word), at=now - timedelta(minutes=number))
    moves: list[Transition] = [moved]
    if number in NEEDY:
        order, more = _needy(order, NEEDY[number], now)
        moves += more
    return Verdict(order=order, transitions=tuple(moves))


def _healthy(number: int, now: datetime) -> Order:
    done = number % 3 == 0
    capture_id = f"{number:08x}-0000-4000-8000-000000000000"
    standing: TrackedStatus[CapturePhase] = TrackedStatus(word="published", phase=CapturePhase.PUBLISHED)
    planned: TrackedStatus[CapturePhase] = TrackedStatus(word="planned", phase=CapturePhase.PLANNED)
    start = now - 2 * DAY if done else now + DAY
    stored = a_delivery(
        f"scene-{number}",
        number,
        capture_id=capture_id,
        state=DeliveryState.STORED,
        stored_at=now - DAY,
        size=412_000_000,
        path=f"{number}/scene-{number}.zip",
    )
    return an_order(
        number,
        task_name=f"Site {number}",
        project_name=_PROJECTS[number % len(_PROJECTS)],
        status=_COMPLETED if done else _RECEIVED,
        state=OrderState.SETTLING if done else OrderState.OPEN,
        final_at=now - DAY if done else None,
        start=now - 9 * DAY,
        end=now - DAY if done else now + 9 * DAY,
        last_seen_at=now,
        next_look_at=now + HOUR,
        captures=(Capture(capture_id=capture_id, status=standing if done else planned, start=start),),
        deliveries=(stored,) if done else (),
    )


def _needy(order: Order, reason: str, now: datetime) -> tuple[Order, list[Transition]]:
    capture = order.captures[0]
    match reason:
        case "given_up" | "parked":
            published: TrackedStatus[CapturePhase] = TrackedStatus(
                word="published", phase=CapturePhase.PUBLISHED
            )
            stuck = a_delivery(
                f"scene-{order.task_id}",
                order.task_id,
                capture_id=capture.capture_id,
                state=DeliveryState(reason),
                reason="the zip is not whole: its directory is missing",
            )
            return replace(order, captures=(replace(capture, status=published),), deliveries=(stuck,)), []
        case "order_failed":
            return replace(
                order, status=_REJECTED, state=OrderState.SETTLING, final_at=now - 3 * HOUR, captures=()
            ), []
        case "lost":
            return replace(order, state=OrderState.LOST), [
                replace(a_move("lost", order.task_id), at=now - 5 * HOUR)
            ]
        case "overdue":
            return replace(order, end=now - 2 * HOUR, captures=()), []
    odd: TrackedStatus[CapturePhase] = TrackedStatus(word="quarantined", phase=None)
    facts = {"subject": Subject.CAPTURE, "kind": TransitionKind.UNKNOWN, "capture_id": capture.capture_id}
    move = replace(a_move("quarantined", order.task_id, **facts), at=now - HOUR)
    return replace(order, captures=(replace(capture, status=odd),)), [move]
