"""What the provider's events say of an order: why it ended, and sometimes that it did."""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from orderwatch.core.model import OrderPhase
from orderwatch.provider.sanitize import message_text, reason_text
from orderwatch.provider.v2.rows import EventRow
from orderwatch.provider.v2.words import order_phase

_MAX_EVENTS = 20  # kept of one order
_MAX_ORDERS = 10_000
_MAX_TYPE_CHARS = 100
_LAST = datetime.max.replace(tzinfo=UTC)  # an event without a time
_DECIDING: Mapping[str, OrderPhase | None] = {
    "orderaccepted": None,
    "orderanalysisfailed": OrderPhase.FAILED,
    "ordercancellationaccepted": OrderPhase.CANCELED,
}
_FAILING = re.compile("fail|reject|refus|denied|forceclosed|cancel|expired|error")


class Event(NamedTuple):
    """An event of an order; `kind` is its type in lower case without separators."""

    at: datetime
    kind: str
    text: str
    has_message: bool


class OrderEvents:
    """The events of each order that decide or explain something, as far as they were read."""

    def __init__(self) -> None:
        self._events: OrderedDict[str, dict[object, Event]] = OrderedDict()

    def add(self, order_id: str, rows: Iterable[EventRow]) -> list[Event]:
        """Return the known events of the order with the new ones, the oldest first."""
        known = dict(self._events.get(order_id, {}))
        known |= {_identity(row): _event(row) for row in rows if row.type}
        events = sorted(known.items(), key=lambda item: item[1].at)
        kept = dict([item for item in events if _matters(item[1])][-_MAX_EVENTS:])
        if kept:
            self._events[order_id] = kept
            self._events.move_to_end(order_id)
        if len(self._events) > _MAX_ORDERS:
            self._events.popitem(last=False)
        return [event for _, event in events]


def phase_of(status: str, events: Sequence[Event]) -> OrderPhase | None:
    """Return the phase of an order; events decide only where its status says nothing of success."""
    phase = order_phase(status)
    if phase is not None and phase.final and phase is not OrderPhase.CLOSED:
        return phase
    decided = [_DECIDING[event.kind] for event in events if event.kind in _DECIDING]
    return (decided[-1] if decided else None) or phase


def reason_of(events: Sequence[Event], report: object) -> str | None:
    """Return the messages of failing events and of the status report, else the last message."""
    failing = [event.text for event in events if _FAILING.search(event.kind)]
    texts = [*failing, message_text(report)]
    if not any(texts):
        texts = [event.text for event in events if event.has_message][-1:]
    return reason_text(*texts)


def _matters(event: Event) -> bool:
    return event.kind in _DECIDING or _FAILING.search(event.kind) is not None


def _event(row: EventRow) -> Event:
    label = message_text((row.type or "")[:_MAX_TYPE_CHARS])
    message = message_text(row.message)
    kind = re.sub(r"[\W_]", "", label).casefold()
    return Event(row.timestamp or _LAST, kind, f"{label}: {message}" if message else label, bool(message))


def _identity(row: EventRow) -> object:
    return row.event_id or (row.type, row.timestamp)
