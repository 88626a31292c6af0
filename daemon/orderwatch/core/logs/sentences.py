"""Sentences for events of the log; an event without one is shown with its facts."""

from collections.abc import Mapping
from datetime import timedelta

from orderwatch.core.formatting import format_bytes, format_duration, printable
from orderwatch.core.logs.line import LogLine
from orderwatch.core.notifications.problems import BEGINS, beginning_of, words_of

_SIZES = {"size", "held", "total", "durable", "received"}
# The first text whose facts are all there; without a fact it is left out of the line.
_TEXTS: Mapping[str, tuple[str, ...]] = {
    "daemon.started": ("the daemon has started, version {version}",),
    "daemon.stopping": ("the daemon stops",),
    "daemon.stopped": ("the daemon has stopped",),
    "config.reloaded": ("the configuration was applied",),
    "config.remark": ("{detail}",),
    "config.idle": ("{detail}",),
    "recovery.done": ("{released} downloads of a process that ended continue",),
    "action.noticed": (
        "{who}: {action} of order {order_id}, account {account}",
        "{who}: {action} of order {order_id}",
        "{who}: {action} of account {account}",
        "{who}: {action}",
    ),
    "refresh.done": ("account {account} was polled for {who}: {polled} orders, {changes} changes",),
    "pause.in_force": ("{detail}",),
    "attention.raised": ("needs you: {text} {remedy}", "needs you: {text}"),
    "attention.cleared": ("no longer needs you: {text}",),
    "order.changed": (
        "order {order_id}: {before} → {after} ({detail})",
        "order {order_id}: {before} → {after}",
        "order {order_id}: first seen, {after}",
    ),
    "capture.changed": (
        "order {order_id}, capture {capture_id}: {before} → {after} ({detail})",
        "order {order_id}, capture {capture_id}: {before} → {after}",
        "order {order_id}, capture {capture_id}: first seen, {after}",
    ),
    "order.done": ("order {order_id} is done",),
    "delivery.wanted": ("order {order_id}: scene {scene_id} is queued ({detail})",),
    "deliveries.wanted": ("order {order_id}: {count} files are queued",),
    "deliveries.stored": ("order {order_id}: {count} files are stored",),
    "download.started": (
        "order {order_id}: download of {path}, {total}, continues after {held}",
        "order {order_id}: download of {path} begins",
    ),
    "download.slow": ("order {order_id}: the download of scene {scene_id} is slow; another one starts",),
    "delivery.stored": ("order {order_id}: stored {path}, {size}",),
    "delivery.waiting": ("order {order_id}: {attachment} of scene {scene_id} waits: {reason}",),
    "delivery.parked": ("order {order_id}: {attachment} of scene {scene_id} is parked: {reason}",),
    "delivery.given_up": ("order {order_id}: {attachment} of scene {scene_id} was given up: {reason}",),
    "delivery.lost": ("order {order_id}: another host continues the download of scene {scene_id}",),
    "delivery.same_bytes": ("order {order_id}: scene {scene_id} was published again with the same bytes",),
    "account.recovered": ("the provider answers account {account} again, after {lasted_seconds}",),
    "account.still_troubled": ("account {account} still has its problem: {reason}",),
    "database.free": ("the database is writable again, after {lasted_seconds}",),
    "backup.done": ("the database was backed up to {path}, {size}",),
    "scrub.done": ("{files} stored files were read again, {size}",),
    "status.unknown": ("account {account}: orderwatch does not know the status {word}",),
    "clock.stepped": ("the host's clock was set by {by_seconds} s",),
}


def sentence(line: LogLine) -> str:
    """Return what happened, in one line without control characters."""
    facts = {name: _shown(name, value) for name, value in line.facts.items() if value is not None}
    for text in _TEXTS.get(line.event, ()):
        try:
            return text.format_map(facts)
        except KeyError:
            continue
    if line.event in BEGINS:
        words = printable(words_of(line.event, facts))
        return f"{words}: {facts['reason']}" if "reason" in facts else words
    if (begun := beginning_of(line.event)) is not None:
        return f"over: {printable(words_of(begun, facts))}"
    return " ".join([printable(line.event), *(f"{name}={value}" for name, value in facts.items())])


def _shown(name: str, value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and name in _SIZES:
        return format_bytes(float(str(value)))
    if is_number and name == "lasted_seconds":
        return format_duration(timedelta(seconds=float(str(value))))
    return printable(str(value))
