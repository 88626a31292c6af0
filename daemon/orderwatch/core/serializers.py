"""Makes JSON of recorded facts: sizes in bytes, times ISO 8601 in UTC, durations in seconds."""

from datetime import datetime
from typing import cast

from orderwatch.core.actions.action import Action
from orderwatch.core.actions.pauses import Pause
from orderwatch.core.attention.concern import Concern
from orderwatch.core.cluster.hosts import HostReport
from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.core.deliveries.bandwidth import Progress
from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.json_types import (
    AccountJson,
    CaptureJson,
    ConcernJson,
    DaemonJson,
    DeliveryJson,
    DeliveryNamesJson,
    ExplanationJson,
    HostJson,
    IntentJson,
    OrderJson,
    PauseJson,
    ProblemJson,
    RefreshJson,
    RequeuedJson,
    TransferJson,
    TransitionJson,
    TroubleJson,
)
from orderwatch.core.model import Capture, Delivery, Order, Transition
from orderwatch.core.notifications.problems import Problem, words
from orderwatch.core.ordering.intent import Intent
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.explain import Facts, awaited, explain


def problem_to_dict(problem: Problem) -> ProblemJson:
    return {
        "problem": problem.event,
        "began_at": zulu(problem.began_at),
        "text": words(problem),
        "reason": cast("str | None", problem.facts.get("reason")),
    }


def concern_to_dict(concern: Concern) -> ConcernJson:
    return {
        "reason": concern.reason,
        "account": concern.account,
        "order_id": concern.order_id,
        "task_id": concern.task_id,
        "capture_id": concern.capture_id,
        "scene_id": concern.scene_id,
        "name": concern.name,
        "since": zulu(concern.since),
        "text": concern.text,
        "remedy": concern.remedy,
    }


def pause_to_dict(pause: Pause) -> PauseJson:
    return {"account": pause.account, "paused_at": zulu(pause.paused_at), "who": pause.who}


def refresh_to_dict(action: Action) -> RefreshJson:
    answer = action.answer
    return {
        "account": action.account or "",
        "order_id": action.order_id,
        "done": answer is not None,
        "polled": answer.polled if answer else 0,
        "listed": answer.listed if answer else 0,
        "changes": answer.changes if answer else 0,
        "problems": list(answer.problems) if answer else [],
    }


def requeued_to_dict(delivery: Delivery) -> RequeuedJson:
    return {**names_of(delivery)}


def names_of(delivery: Delivery) -> DeliveryNamesJson:
    return {
        "account": delivery.account,
        "order_id": delivery.order_id,
        "task_id": delivery.task_id,
        "capture_id": delivery.capture_id,
        "scene_id": delivery.scene_id,
        "name": delivery.attachment,
        "file_name": delivery.file_name,
    }


def daemon_status_to_dict(daemon: DaemonStatus) -> DaemonJson:
    return {"running": daemon.running, "last_alive_at": maybe_zulu(daemon.last_alive_at)}


def account_to_dict(name: str, listed_at: datetime | None, trouble: OpenCircuit | None) -> AccountJson:
    return {"account": name, "listed_at": maybe_zulu(listed_at), "trouble": circuit_to_dict(trouble)}


def host_to_dict(host: HostReport) -> HostJson:
    return {
        "host": host.host,
        "version": host.version,
        "seen_at": zulu(host.seen_at),
        "accounts": list(host.accounts),
        "downloads": host.downloads,
        "state": host.state,
    }


def intent_to_dict(intent: Intent) -> IntentJson:
    return {
        "account": intent.account,
        "task_name": intent.request.task_name,
        "project_name": intent.request.project_name,
        "state": intent.state,
        "written_at": zulu(intent.written_at),
        "sent_at": maybe_zulu(intent.sent_at),
        "reason": intent.reason,
        "who": intent.provenance.who,
        "source": intent.provenance.source,
    }


def order_to_dict(order: Order) -> OrderJson:
    return {
        "account": order.account,
        "order_id": order.order_id,
        "task_id": order.task_id,
        "task_name": order.task_name,
        "project_name": order.project_name,
        "status": order.status.word or None,
        "reason": order.reason,
        "state": order.state,
        "placed_at": maybe_zulu(order.placed_at),
        "start": maybe_zulu(order.start),
        "end": maybe_zulu(order.end),
        "last_seen_at": maybe_zulu(order.shown_at),
        "looked_at": maybe_zulu(order.looked_at),
        "next_look_at": maybe_zulu(order.next_look_at),
        "captures": [_capture_to_dict(order, capture) for capture in order.captures],
    }


def _capture_to_dict(order: Order, capture: Capture) -> CaptureJson:
    return {
        "capture_id": capture.capture_id,
        "status": capture.status.word,
        "start": maybe_zulu(capture.start),
        "satellite_name": capture.satellite_name,
        "deliveries": [_delivery_to_dict(d) for d in order.deliveries_of(capture.capture_id)],
    }


def _delivery_to_dict(delivery: Delivery) -> DeliveryJson:
    return {
        "scene_id": delivery.scene_id,
        "name": delivery.attachment,
        "file_name": delivery.file_name,
        "state": delivery.state,
        "root": delivery.root,
        "path": delivery.path,
        "size": delivery.size if delivery.size is not None else delivery.total,
        "sha256": delivery.sha256,
        "version": delivery.version,
        "attempts": delivery.attempts,
        "not_before": maybe_zulu(delivery.not_before),
        "reason": delivery.reason,
        "received": delivery.durable,
    }


def transfer_to_dict(going: Progress) -> TransferJson:
    delivery = going.delivery
    return {
        **names_of(delivery),
        "bytes": delivery.durable,
        "total": delivery.total,
        "bytes_per_second": going.speed,
        "seconds_left": going.left,
    }


def transition_to_dict(move: Transition) -> TransitionJson:
    return {
        "at": zulu(move.at),
        "order_id": move.order_id,
        "task_id": move.task_id,
        "capture_id": move.capture_id,
        "scene_id": move.scene_id,
        "subject": move.subject,
        "before": move.before,
        "after": move.after,
        "kind": move.kind,
        "detail": move.detail,
    }


def maybe_zulu(time: datetime | None) -> str | None:
    return zulu(time) if time else None


def circuit_to_dict(trouble: OpenCircuit | None) -> TroubleJson | None:
    if trouble is None:
        return None
    return {
        "began_at": zulu(trouble.began_at),
        "until": zulu(trouble.until),
        "failures": trouble.failures,
        "refused": trouble.refused,
        "reason": trouble.reason,
    }


def explanation_to_dict(facts: Facts) -> ExplanationJson:
    """What `explain` prints, and the facts behind it."""
    order, found = facts.order, awaited(facts)
    return {
        **order_to_dict(order),
        "phase": order.status.phase,
        "doubts": order.status.doubts,
        "listed_at": maybe_zulu(order.listed_at),
        "watched_by": [str(watch) for watch in facts.watches],
        "placed_from_here": order.ours,
        "awaited": found.awaited,
        "pause_seconds": found.pause.total_seconds() if found.pause else None,
        "trouble": circuit_to_dict(facts.trouble),
        "space": [{"root": room.root, "left": room.left} for room in facts.rooms],
        "evidence": [{"topic": line.topic.strip(), "text": line.text} for line in explain(facts)],
    }
