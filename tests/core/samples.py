"""What the tests of the core share: one order at noon, and looks at it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orderwatch.core.deliveries.state_machine import RetryPolicy
from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    OrderPhase,
    OrderState,
    SceneFacts,
    TrackedStatus,
)
from orderwatch.core.orders.observe import Rules, Verdict, observe
from orderwatch.core.orders.snapshot import (
    AttachmentSnapshot,
    CaptureSnapshot,
    Observation,
    OrderSnapshot,
    SceneSnapshot,
)

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

ZIP = "delivery_zip"
RULES = Rules(attachments=WantedAttachments(frozenset({ZIP})), grace=14 * DAY)
POLICY = RetryPolicy(retry_min=timedelta(seconds=30), retry_max=6 * HOUR, max_attempts=20)

ORDER_WORDS = {phase.value: phase for phase in OrderPhase}
CAPTURE_WORDS = {phase.value: phase for phase in CapturePhase}


def seen_order(word: str = "in_progress", **more: Any) -> OrderSnapshot:  # noqa: ANN401 - handed to `replace`
    facts: dict[str, Any] = {"task_name": "Quay", "project_name": "Harbour 1", **more}
    return replace(
        OrderSnapshot(order_id="23272", task_id=23272, status=word, phase=ORDER_WORDS.get(word)), **facts
    )


def seen_capture(word: str = "published", capture_id: str = "c1") -> CaptureSnapshot:
    return CaptureSnapshot(capture_id=capture_id, status=word, phase=CAPTURE_WORDS.get(word), start=NOON)


def seen_scene(scene_id: str = "s1", fingerprint: str = "f1", *names: str) -> SceneSnapshot:
    attachments = [
        AttachmentSnapshot(name=name, file_name=f"{scene_id}.zip", fingerprint=fingerprint)
        for name in names or (ZIP,)
    ]
    return SceneSnapshot(scene_id=scene_id, facts=SceneFacts(), attachments=tuple(attachments))


def look(
    word: str = "in_progress",
    captures: Iterable[CaptureSnapshot] = (),
    scenes: dict[str, tuple[SceneSnapshot, ...]] | None = None,
) -> Observation:
    return Observation(account="main", order=seen_order(word), captures=tuple(captures), scenes=scenes or {})


def published(word: str = "in_progress", fingerprint: str = "f1") -> Observation:
    """One published capture with one scene that offers its zip."""
    return look(word, [seen_capture()], {"c1": (seen_scene("s1", fingerprint),)})


def after(*looks: Observation, every: timedelta = HOUR) -> Verdict:
    """The verdict of the last look; looks lie an hour apart and begin at noon."""
    verdict = observe(None, looks[0], NOON, RULES)
    for number, one in enumerate(looks[1:], start=1):
        verdict = observe(verdict.order, one, NOON + number * every, RULES)
    return verdict


def delivery(state: DeliveryState = DeliveryState.WANTED, **more: Any) -> Delivery:  # noqa: ANN401 - as above
    plain = Delivery(
        account="main",
        order_id="23272",
        task_id=23272,
        capture_id="c1",
        scene_id="s1",
        attachment=ZIP,
        file_name="s1.zip",
        fingerprint="f1",
        state=state,
    )
    return replace(plain, **more)


def stored(**more: Any) -> Delivery:  # noqa: ANN401 - as above
    return delivery(DeliveryState.STORED, path="a/s1.zip", size=9, sha256="ab", stored_at=NOON, **more)


def order(
    phase: OrderPhase = OrderPhase.IN_PROGRESS,
    state: OrderState = OrderState.OPEN,
    captures: Iterable[Capture] = (),
    deliveries: Iterable[Delivery] = (),
    **more: Any,  # noqa: ANN401 - as above
) -> Order:
    plain = Order(
        account="main",
        order_id="23272",
        task_id=23272,
        status=TrackedStatus(word=phase.value, phase=phase),
        state=state,
        captures=tuple(captures),
        deliveries=tuple(deliveries),
    )
    return replace(plain, **more)


def capture(phase: CapturePhase = CapturePhase.PUBLISHED, **more: Any) -> Capture:  # noqa: ANN401 - as above
    plain = Capture(capture_id="c1", status=TrackedStatus(word=phase.value, phase=phase))
    return replace(plain, **more)


def with_delivery(known: Order, changed: Delivery) -> Order:
    """The order with one of its deliveries replaced, as the store would read it back."""
    return replace(known, deliveries=tuple(changed if d.key == changed.key else d for d in known.deliveries))
