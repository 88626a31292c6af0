"""Which deliveries an order owes, and so whether it is done: by its outcome, not by the provider's status."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    OrderKey,
    OrderPhase,
    OrderState,
    Subject,
    TransitionKind,
)
from orderwatch.core.orders.snapshot import AttachmentSnapshot, Observation, SceneSnapshot
from orderwatch.core.orders.status import TransitionLog

PARTS_SETTLE = timedelta(hours=6)  # tiles of one run are published within seconds, of a capture within hours


def state_of(order: Order, now: datetime, grace: timedelta) -> OrderState:
    """Returns open until the status is final, done once every file is stored and the grace time over."""
    if not order.status.final:
        return OrderState.OPEN
    final_at, doubted_at = order.final_at, order.status.doubted_at
    over = final_at is not None and now >= final_at + grace
    doubted = doubted_at is not None and now < doubted_at + grace
    settled = over and not doubted and is_complete(order)
    return OrderState.DONE if settled else OrderState.SETTLING


def is_complete(order: Order) -> bool:
    """Returns whether every capture is settled and every scene of the published ones is stored."""
    return all(_is_settled(order, c) and not awaits_files(order, c) for c in order.captures)


def _is_settled(order: Order, capture: Capture) -> bool:
    """Returns whether its status is final; an unknown one is after a request following the order's end."""
    if capture.status.phase is not None:
        return capture.status.final
    seen_at = capture.scenes_seen_at
    return order.final_at is not None and seen_at is not None and seen_at >= order.final_at


def awaits_files(order: Order, capture: Capture) -> bool:
    """Returns whether files of a published capture are not stored yet."""
    if capture.published_at is None:
        return False
    wanted = order.files_of(capture.capture_id)
    promised = capture.status.phase is not None and not capture.failed
    owed = promised and (capture.lacking or not wanted or may_get_parts(capture))
    return owed or any(not files.state.settled for files in wanted)


def may_get_parts(capture: Capture) -> bool:
    """Returns whether another part may follow: until a look long after the last new one agrees."""
    changed_at, seen_at = capture.parts_changed_at, capture.scenes_seen_at
    return changed_at is not None and (seen_at is None or seen_at < changed_at + PARTS_SETTLE)


class DisplayState(StrEnum):
    """The colour of an order, from the most urgent."""

    TROUBLE = "trouble"  # lost, failed, or with a delivery that needs an operator
    MOVING = "moving"  # captured, published, or being fetched
    PLANNED = "planned"  # a capture has a planned time
    WAITING = "waiting"  # no capture is planned
    STORED = "stored"  # every published file is stored
    ENDED = "ended"  # final without files, as intended


_FAILED = {OrderPhase.FAILED, OrderPhase.REJECTED}
_STUCK = {DeliveryState.PARKED, DeliveryState.GIVEN_UP}


def display_state(order: Order) -> DisplayState:
    phase, captures = order.status.phase, [c for c in order.captures if not c.failed]
    if (
        order.state is OrderState.LOST
        or phase in _FAILED
        or any(files.state in _STUCK for files in order.files)
    ):
        return DisplayState.TROUBLE
    if not is_complete(order) and any(c.status.phase in _UNDER_WAY for c in captures):
        return DisplayState.MOVING
    if any(not c.status.final for c in captures):
        return DisplayState.PLANNED
    if any(files.state.settled for files in order.files):
        return DisplayState.STORED
    return DisplayState.ENDED if order.status.final else DisplayState.WAITING


_UNDER_WAY = {CapturePhase.CAPTURED, CapturePhase.PROCESSING, CapturePhase.PUBLISHED}


def queue_deliveries(
    order: Order | None,
    observation: Observation,
    key: OrderKey,
    wanted: WantedAttachments,
    log: TransitionLog,
) -> tuple[Delivery, ...]:
    """Returns the deliveries that are new or published again, of the wanted attachments."""
    queued: list[Delivery] = []
    for capture_id, scenes in observation.scenes.items():
        known = sorted(order.deliveries_of(capture_id) if order else (), key=lambda d: d.version)
        latest = {(d.scene_id, d.attachment): d for d in known}
        for place, (scene, attachment) in _offered(scenes, wanted).items():
            offered = Delivery(
                account=observation.account,
                order_id=key.order_id,
                task_id=key.task_id,
                capture_id=capture_id,
                scene_id=scene.scene_id,
                attachment=attachment.name,
                file_name=attachment.file_name,
                fingerprint=attachment.fingerprint,
                scene=scene.facts,
            )
            old = latest.get(place)
            new = _renewed(offered, old)
            if new is None:
                continue
            queued.append(new)
            same = old if old and old.version == new.version else None
            if same is None or same.state is not new.state:
                log.add(
                    Subject.DELIVERY,
                    same.state if same else None,
                    new.state,
                    TransitionKind.STEP if same else TransitionKind.FIRST,
                    capture_id=capture_id,
                    scene_id=new.scene_id,
                    detail=delivery_label(new),
                    file=delivery_label(new),
                )
    return tuple(queued)


def _offered(
    scenes: Iterable[SceneSnapshot], wanted: WantedAttachments
) -> dict[tuple[str, str], tuple[SceneSnapshot, AttachmentSnapshot]]:
    return {(s.scene_id, a.name): (s, a) for s in scenes for a in s.attachments if wanted.take(a)}


def _renewed(offered: Delivery, latest: Delivery | None) -> Delivery | None:
    """Returns the delivery to queue, or None if the latest version covers what is published."""
    if latest is None:
        return offered
    # A running fetch stores the file that it requested; the next poll compares again.
    if latest.fingerprint == offered.fingerprint or latest.state is DeliveryState.FETCHING:
        return None
    if latest.state.settled or latest.intended:
        return replace(offered, version=latest.version + 1)
    return replace(offered, version=latest.version, attempts=latest.attempts)


def delivery_label(delivery: Delivery) -> str:
    """Returns the delivery's attachment, file name and version, for a line of the history."""
    version = "" if delivery.version == 1 else f", version {delivery.version}"
    return f"{delivery.attachment} {delivery.file_name}{version}"
