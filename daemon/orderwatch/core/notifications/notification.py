"""Notifications of recorded changes: their text, and the JSON that is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import NamedTuple

from orderwatch.core.attention.concern import Concern
from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.deliveries.state_machine import DeliveryUpdate
from orderwatch.core.formatting import format_bytes
from orderwatch.core.model import Delivery, DeliveryState, OrderState, Subject, Transition
from orderwatch.core.notifications.problems import ProblemChange, words
from orderwatch.core.order_names import OrderNames, names_of
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.watches import name_matches

_CHANGE_EVENTS = {Subject.ORDER: "order.changed", Subject.CAPTURE: "capture.changed"}
_DELIVERY_EVENTS = {
    DeliveryState.STORED: "delivery.stored",
    DeliveryState.PARKED: "delivery.parked",
    DeliveryState.GIVEN_UP: "delivery.given_up",
}
_MAX_TEXT_CHARACTERS = 500
# Fields of notifications that every channel receives if they belong to no project.
_FIELDS_WITHOUT_PROJECT = {"problem", "remedy"}


class Notification(NamedTuple):
    """An event that has no number yet; `facts` are its other fields, ready for JSON."""

    event: str
    at: datetime
    facts: Mapping[str, object]


class OutboxItem(NamedTuple):
    """A notification in the outbox: `document` is the JSON object, `number` its place in the queue."""

    number: int
    id: str
    document: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel with shell patterns for events and project names."""

    name: str
    events: tuple[str, ...]
    projects: tuple[str, ...] = ("*",)

    def hears(self, event: str) -> bool:
        return any(fnmatchcase(event, pattern) for pattern in self.events)

    def wants(self, note: Notification) -> bool:
        """Returns whether the channel receives this; a channel's own failure goes to the other channels."""
        if not self.hears(note.event):
            return False
        project = note.facts.get("project_name")
        if project is None and _FIELDS_WITHOUT_PROJECT & note.facts.keys():
            return note.facts.get("channel") != self.name
        return any(name_matches(pattern, str(project or "")) for pattern in self.projects)


def to_document(note: Notification, note_id: str) -> Mapping[str, object]:
    """Returns the JSON object without empty fields, except for the account and order, which may be null."""
    whose = {name: note.facts.get(name) for name in ("account", "order_id", "task_id")}
    lead = {"id": note_id, "event": note.event, "at": zulu(note.at), **whose}
    return {**lead, **{k: v for k, v in note.facts.items() if v is not None and k not in lead}}


def of_verdict(verdict: Verdict, before: OrderState | None) -> Sequence[Notification]:
    """Returns notifications of a poll's result; `before` is the order's earlier state, None for a new one."""
    order = verdict.order
    names = names_of(order)
    notes = [_of_move(names, move) for move in verdict.transitions if move.subject in _CHANGE_EVENTS]
    if order.state is OrderState.DONE and before is not OrderState.DONE:
        at = order.last_seen_at or max((m.at for m in verdict.transitions), default=None)
        if at is not None:
            text = f"{names} is done: every published file is stored."
            notes.append(_note("order.done", at, names._asdict(), text))
    return notes


def of_delivery(move: DeliveryUpdate, names: OrderNames) -> Notification | None:
    """Returns the notification of a delivery that was stored, parked or given up."""
    moved, delivery = move.transition, move.delivery
    if moved is None or delivery.state not in _DELIVERY_EVENTS:
        return None
    facts = {**names._asdict(), **_of_delivery(delivery)}
    return _note(_DELIVERY_EVENTS[delivery.state], moved.at, facts, _delivery_text(names, delivery))


def of_problem(change: ProblemChange) -> Notification:
    problem = change.problem
    facts = {
        **problem.facts,
        "problem": problem.event,
        "began_at": zulu(problem.began_at),
    }
    what, reason = words(problem), _plain(problem.facts.get("reason")).rstrip(".")
    if not change.over:
        because = f": {reason}" if reason else ""
        return _note("problem.began", change.at, facts, f"Problem: {what}{because}.")
    lasted = round(change.lasted.total_seconds())
    text = f"Over after {_duration(lasted)}: {what}."
    return _note("problem.ended", change.at, {**facts, "lasted_seconds": lasted}, text)


def of_concern(concern: Concern, at: datetime, *, cleared: bool) -> Notification:
    """Returns the notification that a concern needs a person, or no longer does."""
    facts = {
        "account": concern.account,
        "order_id": concern.order_id,
        "task_id": concern.task_id,
        "project_name": concern.project_name,
        "capture_id": concern.capture_id,
        "scene_id": concern.scene_id,
        "reason": concern.reason,
        "name": concern.name,
        "channel": concern.channel,
        "since": zulu(concern.since),
        "remedy": concern.remedy,
    }
    if cleared:
        return _note("attention.cleared", at, facts, f"No longer needs you: {concern.text}")
    return _note("attention.raised", at, facts, f"Needs you: {concern.text} {concern.remedy}")


def sample_notification(at: datetime) -> Notification:
    """Returns the notification that `notify --test` sends."""
    return _note("notify.test", at, {}, "This is a test: orderwatch can reach you here.")


def _of_move(names: OrderNames, move: Transition) -> Notification:
    facts = {
        **names._asdict(),
        "capture_id": move.capture_id,
        "before": move.before,
        "after": move.after,
        "kind": move.kind,
        "reason": move.detail,
    }
    what = f"capture {move.capture_id} of {names}" if move.capture_id else str(names)
    earlier = f", was {move.before}" if move.before else ""
    return _note(_CHANGE_EVENTS[move.subject], move.at, facts, f"{what} is {move.after}{earlier}.")


def _of_delivery(delivery: Delivery) -> dict[str, object]:
    stored = delivery.state is DeliveryState.STORED
    names = ("capture_id", "scene_id", "attachment", "version", "file_name")
    return {
        **{name: getattr(delivery, name) for name in names},
        "root": delivery.root,
        "path": delivery.path if stored else None,
        "size": delivery.size if stored else None,
        "sha256": delivery.sha256 if stored else None,
        "reason": delivery.reason,
    }


def _delivery_text(names: OrderNames, delivery: Delivery) -> str:
    if delivery.state is DeliveryState.STORED:
        return f"{delivery.path} of {names} is stored, {format_bytes(delivery.size)}."
    what = "is parked" if delivery.state is DeliveryState.PARKED else "was given up"
    return f"{delivery.file_name} of {names} {what}: {delivery.reason}."


def _note(event: str, at: datetime, facts: Mapping[str, object], text: str) -> Notification:
    line = _plain(text)
    return Notification(event, at, {**facts, "text": line[:1].upper() + line[1:]})


def _plain(text: object) -> str:
    """Returns the text in one printable line."""
    shown = "".join(c if c.isprintable() else " " for c in str(text or ""))
    return " ".join(shown.split())[:_MAX_TEXT_CHARACTERS]


def _duration(seconds: int) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
