"""Explains the status of an order, line by line."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orderwatch.core.formatting import (
    ago,
    format_bytes,
    format_bytes_pair,
    format_duration,
    format_time,
    until,
)
from orderwatch.core.model import Capture, Delivery, DeliveryState, FileCount, Order, OrderState
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.completeness import PARTS_SETTLE, may_get_parts
from orderwatch.core.orders.listed_files import listed_files
from orderwatch.core.orders.poll_schedule import Outlook, Pace, outlook
from orderwatch.core.orders.publication_lag import Lags
from orderwatch.core.orders.watches import Watch

_OVERDUE_INTERVALS = 8  # an order whose polls fail is paused for six at most


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRoom:
    """Bytes that may still be written below a root; None if the root does not answer."""

    root: str
    left: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts that an explanation of one order is made of."""

    now: datetime
    order: Order
    moved_at: datetime | None  # of its last status change
    watches: tuple[Watch, ...]  # that match it
    pace: Pace
    lags: Lags
    trouble: OpenCircuit | None  # of its account
    rooms: tuple[DiskRoom, ...]
    host: str | None = None  # that polls its account, if there may be several


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    topic: str
    text: str


_GIST = frozenset({"account", "awaited", "next poll"})


def gist(evidence: Iterable[Evidence]) -> Sequence[Evidence]:
    """Returns the lines that answer first why an order is as it is: what it waits for, and until when."""
    return [line for line in evidence if line.topic in _GIST]


def awaited(facts: Facts) -> Outlook:
    """Returns what the last poll left to wait for."""
    order, then = facts.order, facts.order.last_seen_at or facts.now
    moved = facts.moved_at is not None and facts.moved_at >= then
    return outlook(order, then, facts.pace, lags=facts.lags, moved=moved)


def explain(facts: Facts) -> Iterator[Evidence]:
    """Yields the lines of the explanation, from the provider's status to the next poll."""
    order, now = facts.order, facts.now
    yield Evidence(topic="provider", text=_provider_status(order))
    yield Evidence(topic="state", text=_state(order, facts.pace, now))
    yield Evidence(topic="watched", text=_watched(facts))
    yield Evidence(topic="polled", text=_polled(order, now))
    if facts.host is not None:
        yield Evidence(topic="host", text=f"{facts.host} polls account {order.account}")
    for capture in order.captures:
        yield Evidence(topic=f"capture {capture.capture_id[:8]}", text=_capture(order, capture, now))
        yield from _deliveries(order, capture.capture_id, now)
    if facts.trouble is not None:
        yield Evidence(topic="account", text=in_words(facts.trouble, now))
    found = awaited(facts)
    yield Evidence(topic="awaited", text=found.awaited)
    if order.state is OrderState.OPEN or any(not c.status.final for c in order.captures):
        yield Evidence(topic="lag", text=_lag(order, facts.lags))
    yield Evidence(topic="next poll", text=_next_poll(facts, found))
    for room in facts.rooms:
        yield Evidence(topic="space", text=_room(room))


def _provider_status(order: Order) -> str:
    status = order.status
    if not status.word:
        return "answers 404"
    if status.doubts and status.phase is not None:
        since = f" since {format_time(status.doubted_at)}" if status.doubted_at else ""
        return (
            f"{status.word}, contradicting its final status {status.phase} {status.doubts} times{since}; "
            "accepted after three times within an hour or more"
        )
    word = status.word if status.phase else f"{status.word}, an unknown status, which does not count as final"
    return f"{word}: {order.reason}" if order.reason else word


def _state(order: Order, pace: Pace, now: datetime) -> str:
    match order.state:
        case OrderState.SETTLING if order.final_at is not None:
            until = order.final_at + pace.grace
            since = format_time(order.final_at)
            return f"settling: final since {since}, polled at least until {format_time(until)}"
        case OrderState.DONE:
            return "done: final, every file is stored, and the grace time is over"
        case OrderState.LOST:
            return "lost: the provider answers 404; its recorded facts and stored files are kept"
        case _:
            window = f"its window is {_window(order, now)}" if order.start else "its window is unknown"
            return f"{order.state}; {window}"


def _window(order: Order, now: datetime) -> str:
    if order.start and order.start > now:
        return f"not open yet, it opens {until(order.start, now)} ({format_time(order.start)})"
    if order.end is None:
        return "open"
    return (
        f"open until {format_time(order.end)}" if order.end > now else f"over since {format_time(order.end)}"
    )


def _watched(facts: Facts) -> str:
    if facts.watches:
        return "by " + "; ".join(str(watch) for watch in facts.watches)
    if facts.order.ours:
        return "because orderwatch placed it"
    return "by no [[watch]]: its record is kept, and it is not polled"


def _polled(order: Order, now: datetime) -> str:
    parts = []
    if order.looked_at:
        parts.append(
            f"its captures were requested {ago(order.looked_at, now)} ({format_time(order.looked_at)})"
        )
    if order.listed_at:
        parts.append(f"the list showed it {ago(order.listed_at, now)}")
    if not parts and order.last_seen_at:
        parts.append(f"last recorded {ago(order.last_seen_at, now)} ({format_time(order.last_seen_at)})")
    return "; ".join(parts) or "never"


def _capture(order: Order, capture: Capture, now: datetime) -> str:
    word = capture.status.word
    parts = [word if capture.status.phase else f"{word}, an unknown status: orderwatch requests its files"]
    if capture.start:
        taken = capture.start <= now
        parts.append(f"{'taken' if taken else 'due'} {(ago if taken else until)(capture.start, now)}")
    if capture.published_at is None and capture.scenes_seen_at:
        parts.append(f"no file was offered {ago(capture.scenes_seen_at, now)}")
    if capture.published_at:
        parts.append(f"seen published {ago(capture.published_at, now)}")
        if capture.scenes_seen_at is None:
            parts.append("its scenes were not requested yet")
        elif capture.lacking or not order.files_of(capture.capture_id):
            parts.append(f"its files were not all offered {ago(capture.scenes_seen_at, now)}")
        elif capture.parts_changed_at is not None and may_get_parts(capture):
            parts.append(f"its files come one by one, the last {ago(capture.parts_changed_at, now)}")
            parts.append(f"complete if none follows for {format_duration(PARTS_SETTLE)}")
        else:
            parts.append(f"its scenes were requested {ago(capture.scenes_seen_at, now)}")
            if capture.parts_changed_at is not None:
                parts.append(f"complete: no file followed the last one, {ago(capture.parts_changed_at, now)}")
    return ", ".join(parts)


def _deliveries(order: Order, capture_id: str, now: datetime) -> Iterator[Evidence]:
    """Yields a line for each delivery, or for each state if they are many."""
    known = order.deliveries_of(capture_id)
    if not listed_files(order, capture_id).others:
        for delivery in known:
            yield Evidence(topic=f"  {delivery.attachment}", text=_delivery(delivery, now))
        return
    files = {some.state: some for some in order.files_of(capture_id)}
    for state in filter(files.__contains__, DeliveryState):
        first = next((delivery for delivery in known if delivery.state is state), None)
        topic = f"  {files[state].number} {state.replace('_', ' ')}"
        yield Evidence(topic=topic, text=_many(files[state], first, now))


def _many(files: FileCount, first: Delivery | None, now: datetime) -> str:
    if files.state.settled or first is None:
        last = f", the last {ago(files.stored_at, now)}" if files.stored_at else ""
        return f"{format_bytes(files.size)}{last}"
    return f"for example {first.attachment} {_delivery(first, now)}"


def _delivery(delivery: Delivery, now: datetime) -> str:
    parts: list[str] = [f"{delivery.file_name}: {delivery.state}"]
    if delivery.state is DeliveryState.STORED and delivery.stored_at:
        parts[0] += f" {ago(delivery.stored_at, now)}, as {delivery.path}"
    if delivery.attempts and not delivery.state.settled:
        parts.append(f"{delivery.attempts} attempts")
    if delivery.durable and not delivery.state.settled:
        received, total = format_bytes_pair(delivery.durable, delivery.total)
        parts.append(f"{received} of {total} received")
    if delivery.not_before:
        parts.append(f"next attempt {until(delivery.not_before, now)}")
    if delivery.reason:
        parts.append(delivery.reason)
    return ", ".join(parts)


def in_words(trouble: OpenCircuit, now: datetime | None) -> str:
    """Returns an account's trouble in words, with absolute times if `now` is None."""
    kind = "refused" if trouble.refused else "unavailable"
    return (
        f"{kind} since {format_time(trouble.began_at)}, {trouble.failures} failures, next request "
        f"{until(trouble.until, now)}: {trouble.reason}"
    )


def _lag(order: Order, lags: Lags) -> str:
    lag = lags.of(order.product)
    source = (
        f"from {lag.learned} publications of its product"
        if lag.learned
        else "assumed: no publication of its product yet"
    )
    low, high = (format_duration(lag.median * factor) for factor in lag.quartiles)
    return f"half of its captures are published {low} to {high} after they were taken ({source})"


def _next_poll(facts: Facts, found: Outlook) -> str:
    due = facts.order.next_look_at
    if due is None:
        return "none, unless the list shows a change"
    when = f"{until(due, facts.now)} ({format_time(due)})"
    if not facts.watches and not facts.order.ours:
        return f"none while no [[watch]] matches; otherwise {when}"
    if facts.now - due > _OVERDUE_INTERVALS * facts.pace.interval:
        account = "requests of its account are paused"
        return f"{when}: {account if facts.trouble else 'no daemon runs, or its polls fail (see the log)'}"
    seen = facts.order.last_seen_at
    if seen is None or found.pause is None:
        return when
    return f"{when}: {_reason_for(due - seen, found.pause, exact=found.exact)}"


def _reason_for(planned: timedelta, pause: timedelta, *, exact: bool) -> str:
    if planned <= timedelta(seconds=1):
        return "its status just changed"
    rule = f"a pause of {format_duration(pause)}" + ("" if exact else " (±10 %)")
    if planned < pause * 0.89:
        return f"sooner than {rule}, because the last poll was incomplete or the list showed a change"
    return rule


def _room(room: DiskRoom) -> str:
    if room.left is None:
        return f"{room.root} is unavailable"
    if room.left <= 0:
        return f"no room below {room.root}: the disk is as full as keep_free allows"
    return f"{format_bytes(room.left)} may be written below {room.root}"
