"""Which colour an order has."""

from datetime import UTC, datetime

import pytest

from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    OrderPhase,
    OrderState,
    TrackedStatus,
)
from orderwatch.core.orders.completeness import DisplayState, display_state

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


def an_order(
    phase: OrderPhase | None = OrderPhase.IN_PROGRESS,
    capture: CapturePhase | None = None,
    held: DeliveryState | None = None,
    state: OrderState = OrderState.OPEN,
) -> Order:
    taken = Capture(
        capture_id="c",
        status=TrackedStatus(word=str(capture), phase=capture),
        published_at=NOON if capture is CapturePhase.PUBLISHED else None,
    )
    file = Delivery(
        account="main",
        order_id="1",
        task_id=1,
        capture_id="c",
        scene_id="s",
        attachment="delivery_zip",
        file_name="s.zip",
        fingerprint="f",
        state=held or DeliveryState.WANTED,
    )
    return Order(
        account="main",
        order_id="1",
        task_id=1,
        status=TrackedStatus(word=str(phase), phase=phase),
        state=state,
        captures=(taken,) if capture else (),
        deliveries=(file,) if held else (),
    )


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (an_order(), DisplayState.WAITING),
        (an_order(None), DisplayState.WAITING),
        (an_order(capture=CapturePhase.TASKED), DisplayState.PLANNED),
        (an_order(capture=CapturePhase.CAPTURED), DisplayState.MOVING),
        (an_order(capture=CapturePhase.PUBLISHED), DisplayState.MOVING),
        (an_order(capture=CapturePhase.PUBLISHED, held=DeliveryState.FETCHING), DisplayState.MOVING),
        (an_order(capture=CapturePhase.PUBLISHED, held=DeliveryState.PARKED), DisplayState.TROUBLE),
        (an_order(capture=CapturePhase.PUBLISHED, held=DeliveryState.STORED), DisplayState.STORED),
        (an_order(OrderPhase.COMPLETED, CapturePhase.PUBLISHED, DeliveryState.STORED), DisplayState.STORED),
        (an_order(capture=CapturePhase.FAILED), DisplayState.WAITING),
        (an_order(OrderPhase.CANCELED, CapturePhase.CANCELED), DisplayState.ENDED),
        (an_order(OrderPhase.REJECTED), DisplayState.TROUBLE),
        (an_order(state=OrderState.LOST), DisplayState.TROUBLE),
    ],
)
def test_an_order_has_the_tone_of_what_matters_most(order: Order, expected: DisplayState) -> None:
    assert display_state(order) is expected
