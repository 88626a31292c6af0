"""The JSON shapes of the contract. Sizes in bytes, times ISO 8601 in UTC, spans in seconds."""

from datetime import datetime, timedelta

from orderwatch.core.attention.concern import Concern
from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.core.deliveries.audit import Finding
from orderwatch.core.deliveries.bandwidth import Progress
from orderwatch.core.deliveries.rebuild import Refused
from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.formatting import escape_name
from orderwatch.core.model import Capture, Delivery, Order, Transition
from orderwatch.core.notifications.problems import Problem, words
from orderwatch.core.ordering.intent import Intent
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.explain import Facts, awaited, explain
from orderwatch.core.orders.latency_report import Dwell, Figures, Group, OrderRow, Report

Shape = dict[str, object]


def problem_to_dict(problem: Problem) -> Shape:
    return {
        "problem": problem.event,
        "began_at": maybe_zulu(problem.began_at),
        "text": words(problem),
        "reason": problem.facts.get("reason"),
    }


def concern_to_dict(concern: Concern) -> Shape:
    return {
        "reason": str(concern.reason),
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


def daemon_status_to_dict(daemon: DaemonStatus) -> Shape:
    return {"running": daemon.running, "last_alive_at": maybe_zulu(daemon.last_alive_at)}


def account_to_dict(name: str, listed_at: datetime | None, trouble: OpenCircuit | None) -> Shape:
    return {"account": name, "listed_at": maybe_zulu(listed_at), "trouble": circuit_to_dict(trouble)}


def intent_to_dict(intent: Intent) -> Shape:
    return {
        "account": intent.account,
        "task_name": intent.request.task_name,
        "project_name": intent.request.project_name,
        "state": intent.state,
        "written_at": maybe_zulu(intent.written_at),
        "sent_at": maybe_zulu(intent.sent_at),
        "reason": intent.reason,
        "who": intent.provenance.who,
        "source": intent.provenance.source,
    }


def order_to_dict(order: Order) -> Shape:
    return {
        "account": order.account,
        "task_id": order.task_id,
        "task_name": order.task_name,
        "project_name": order.project_name,
        "status": order.status.word or None,
        "state": order.state,
        "placed_at": maybe_zulu(order.placed_at),
        "start": maybe_zulu(order.start),
        "end": maybe_zulu(order.end),
        "last_seen_at": maybe_zulu(order.shown_at),
        "looked_at": maybe_zulu(order.looked_at),
        "next_look_at": maybe_zulu(order.next_look_at),
        "captures": [_capture_facts(order, capture) for capture in order.captures],
    }


def _capture_facts(order: Order, capture: Capture) -> Shape:
    return {
        "capture_id": capture.capture_id,
        "status": capture.status.word,
        "start": maybe_zulu(capture.start),
        "satellite_name": capture.satellite_name,
        "deliveries": [_delivery_facts(d) for d in order.deliveries_of(capture.capture_id)],
    }


def _delivery_facts(delivery: Delivery) -> Shape:
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


def transfer_to_dict(going: Progress) -> Shape:
    delivery = going.delivery
    return {
        "account": delivery.account,
        "task_id": delivery.task_id,
        "capture_id": delivery.capture_id,
        "scene_id": delivery.scene_id,
        "name": delivery.attachment,
        "file_name": delivery.file_name,
        "bytes": delivery.durable,
        "total": delivery.total,
        "bytes_per_second": going.speed,
        "seconds_left": going.left,
    }


def transition_to_dict(move: Transition) -> Shape:
    return {
        "at": maybe_zulu(move.at),
        "task_id": move.task_id,
        "capture_id": move.capture_id,
        "scene_id": move.scene_id,
        "subject": move.subject,
        "before": move.before,
        "after": move.after,
        "kind": move.kind,
        "detail": move.detail,
    }


def report_to_dict(report: Report) -> Shape:
    return {
        "at": maybe_zulu(report.at),
        "groups": [_group_facts(group) for group in report.groups],
        "dwell": [_dwell_facts(dwell) for dwell in report.dwell],
        "overdue": [_overdue_facts(order) for order in report.overdue],
    }


def _group_facts(group: Group) -> Shape:
    return {
        "account": group.account,
        "project_name": group.project_name,
        "product": group.product,
        "orders": group.orders,
        "placed_to_first_capture": _figures(group.placed_to_first_capture),
        "capture_to_published": _figures(group.capture_to_published),
        "published_to_stored": _figures(group.published_to_stored),
    }


def _dwell_facts(dwell: Dwell) -> Shape:
    return {"subject": dwell.subject, "state": dwell.state, **_figures(dwell.spans)}


def _overdue_facts(order: OrderRow) -> Shape:
    return {
        "account": order.account,
        "task_id": order.task_id,
        "task_name": order.task_name,
        "project_name": order.project_name,
        "status": order.word or None,
        "state": order.state,
        "end": maybe_zulu(order.end),
    }


def _figures(figures: Figures) -> Shape:
    return {
        "count": figures.count,
        "median_seconds": _seconds(figures.median),
        "p90_seconds": _seconds(figures.p90),
    }


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def maybe_zulu(time: datetime | None) -> str | None:
    return zulu(time) if time else None


def circuit_to_dict(trouble: OpenCircuit | None) -> Shape | None:
    if trouble is None:
        return None
    return {
        "began_at": maybe_zulu(trouble.began_at),
        "until": maybe_zulu(trouble.until),
        "failures": trouble.failures,
        "refused": trouble.refused,
        "reason": trouble.reason,
    }


def explanation_to_dict(facts: Facts) -> Shape:
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


def finding_to_dict(finding: Finding) -> Shape:
    """`path` is relative to `root`, null for the delivery root; `delivery` facts are null of an orphan."""
    held = finding.delivery
    return {
        "kind": finding.kind,
        "account": held.account if held else None,
        "task_id": held.task_id if held else None,
        "capture_id": held.capture_id if held else None,
        "scene_id": held.scene_id if held else None,
        "attachment": held.attachment if held else None,
        "root": finding.root,
        "path": escape_name(finding.path),
        "detail": finding.detail,
    }


def refused_to_dict(refused: Refused) -> Shape:
    return {"root": refused.root, "path": escape_name(refused.path), "detail": refused.detail}
