"""Orders of many small files, as rows: three captures of 40 tiles with 7 files each."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    OrderPhase,
    OrderState,
    SceneFacts,
    Subject,
    TrackedStatus,
    Transition,
    TransitionKind,
)
from orderwatch.core.orders.completeness import delivery_label
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.snapshot import AttachmentSnapshot, OrderSnapshot, SceneSnapshot
from orderwatch.db.repositories import Store

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ASSETS = ("visual", "analytic", "cloud", "preview", "thumbnail", "toa_factors", "internal_metrics")
CAPTURES, TILES = 3, 40
FILES_PER_ORDER = CAPTURES * TILES * len(ASSETS)
_ORDERS_AT_ONCE = 10
_STEPS = (None, DeliveryState.WANTED, DeliveryState.FETCHING, DeliveryState.STORED)


def footprint(number: int) -> dict[str, object]:
    """Return a square, another one for each number."""
    west, south = (number % 100) / 10, (number // 100 % 100) / 10
    corners = ((0.0, 0.0), (0.1, 0.0), (0.1, 0.1), (0.0, 0.1), (0.0, 0.0))
    return {"type": "Polygon", "coordinates": [[[west + x, south + y] for x, y in corners]]}


def capture(order: int, number: int) -> Capture:
    return Capture(
        capture_id=f"{order:08x}-0000-4000-8000-{number:012}",
        status=TrackedStatus(word="published", phase=CapturePhase.PUBLISHED),
        start=NOW - timedelta(hours=8 - number),
        satellite_name=f"newsat{15 + number}",
        published_at=NOW - timedelta(hours=4 - number) + timedelta(seconds=order),
        scenes_seen_at=NOW,
    )


def scene(order: int, number: int) -> SceneSnapshot:
    """Return a tile as the archive shows it."""
    scene_id = f"{order:06}_{number:06}_SN15_L1D_SR_32U_{number % 900:03}"
    return SceneSnapshot(
        scene_id=scene_id,
        facts=SceneFacts(
            timestamp=NOW - timedelta(hours=7),
            satellite_name="newsat15",
            footprint=footprint(order * CAPTURES * TILES + number),
            collection="l1d-sr",
            grid=f"32U-{number:06}",
            product_version="1.0.0",
        ),
        attachments=tuple(
            AttachmentSnapshot(
                name=name, file_name=f"{scene_id}_{name}.tif", fingerprint=f"{number}-{name}", is_default=True
            )
            for name in ASSETS
        ),
        is_part=True,
    )


def snapshot(order: int, status: str = "in_progress") -> OrderSnapshot:
    """Return an order as a list shows it."""
    return OrderSnapshot(
        order_id=f"{order:06}",
        status=status,
        phase=OrderPhase(status),
        task_name=f"Quay {order}",
        project_name=f"project {order % 20}",
        product="area",
        placed_at=NOW - timedelta(days=20),
        start=NOW - timedelta(days=19),
        end=NOW + timedelta(days=9),
        document={"target": footprint(order)},
    )


def order(number: int, state: DeliveryState, files: int = FILES_PER_ORDER) -> Verdict:
    """Return an order with its first files in this state, and their history."""
    seen = snapshot(number)
    captures = tuple(capture(number, n) for n in range(CAPTURES))
    deliveries = tuple(_deliveries(number, captures, state))[:files]
    found = Order(
        account="main",
        order_id=seen.order_id,
        status=TrackedStatus(word=seen.status, phase=seen.phase),
        task_name=seen.task_name,
        project_name=seen.project_name,
        product=seen.product,
        placed_at=seen.placed_at,
        start=seen.start,
        end=seen.end,
        state=OrderState.OPEN,
        document=seen.document,
        last_seen_at=NOW,
        looked_at=NOW,
        next_look_at=NOW + timedelta(hours=1),
        captures=captures,
        deliveries=deliveries,
    )
    steps = _STEPS[: _STEPS.index(state) + 1]
    return Verdict(order=found, transitions=tuple(_moves(deliveries, steps)))


def _deliveries(number: int, captures: Sequence[Capture], state: DeliveryState) -> Iterator[Delivery]:
    is_stored = state is DeliveryState.STORED
    for place, (taken, tile) in enumerate((c, tile) for c in captures for tile in range(TILES)):
        shown = scene(number, place)
        for asset in shown.attachments:
            yield Delivery(
                account="main",
                order_id=f"{number:06}",
                capture_id=taken.capture_id,
                scene_id=shown.scene_id,
                attachment=asset.name,
                file_name=asset.file_name,
                fingerprint=asset.fingerprint,
                scene=shown.facts,
                state=state,
                path=f"{number:06}/{tile}/{asset.file_name}" if is_stored else None,
                size=50_000 if is_stored else None,
                sha256="0f" * 32 if is_stored else None,
                stored_at=NOW if is_stored else None,
            )


def _moves(deliveries: Sequence[Delivery], steps: Sequence[DeliveryState | None]) -> Iterator[Transition]:
    for before, after in pairwise(steps):
        for delivery in deliveries:
            yield Transition(
                at=NOW,
                account=delivery.account,
                order_id=delivery.order_id,
                subject=Subject.DELIVERY,
                before=before,
                after=str(after),
                kind=TransitionKind.STEP if before else TransitionKind.FIRST,
                capture_id=delivery.capture_id,
                scene_id=delivery.scene_id,
                detail=delivery_label(delivery),
                file=delivery_label(delivery),
            )


async def fill(store: Store, files: int, state: DeliveryState) -> int:
    """Record orders with that many files in this state; returns how many orders."""
    number = -(-files // FILES_PER_ORDER)
    for first in range(0, number, _ORDERS_AT_ONCE):
        last = min(first + _ORDERS_AT_ONCE, number)
        await store.maintenance.restore(
            [order(n, state, files - n * FILES_PER_ORDER) for n in range(first, last)]
        )
    return number
