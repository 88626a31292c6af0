"""The JSON shapes of the contract."""

from datetime import datetime

from orderwatch.core.model import Capture, Delivery, Order, Transition
from orderwatch.core.sidecar import zulu

Facts = dict[str, object]


def order_facts(order: Order) -> Facts:
    return {
        "account": order.account,
        "task_id": order.task_id,
        "task_name": order.task_name,
        "project_name": order.project_name,
        "status": order.standing.word or None,
        "state": order.state,
        "start": _time(order.start),
        "end": _time(order.end),
        "last_seen_at": _time(order.last_seen_at),
        "next_look_at": _time(order.next_look_at),
        "captures": [_capture_facts(order, capture) for capture in order.captures],
    }


def _capture_facts(order: Order, capture: Capture) -> Facts:
    return {
        "capture_id": capture.capture_id,
        "status": capture.standing.word,
        "start": _time(capture.start),
        "satellite_name": capture.satellite_name,
        "deliveries": [_delivery_facts(d) for d in order.deliveries_of(capture.capture_id)],
    }


def _delivery_facts(delivery: Delivery) -> Facts:
    return {
        "scene_id": delivery.scene_id,
        "name": delivery.attachment,
        "file_name": delivery.file_name,
        "state": delivery.state,
        "path": delivery.path,
        "size": delivery.size if delivery.size is not None else delivery.total,
        "sha256": delivery.sha256,
        "version": delivery.version,
        "attempts": delivery.attempts,
        "not_before": _time(delivery.not_before),
        "reason": delivery.reason,
        "received": delivery.durable,
    }


def transition_facts(move: Transition) -> Facts:
    return {
        "at": _time(move.at),
        "task_id": move.task_id,
        "capture_id": move.capture_id,
        "scene_id": move.scene_id,
        "subject": move.subject,
        "before": move.before,
        "after": move.after,
        "kind": move.kind,
        "detail": move.detail,
    }


def _time(time: datetime | None) -> str | None:
    return zulu(time) if time else None
