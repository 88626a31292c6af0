"""Why an order is where it is: the chain of evidence, in plain words."""

from collections.abc import Iterator
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
from orderwatch.core.model import Capture, Delivery, DeliveryState, Order, OrderState
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.poll_schedule import Outlook, Pace, outlook
from orderwatch.core.orders.publication_lag import Lags
from orderwatch.core.orders.watches import Watch

_LATE = 8  # intervals; an order whose looks fail is left alone for six at most


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRoom:
    """Bytes that may still be written below a root, beyond what has to stay free."""

    root: str
    left: int | None  # None where the root cannot be asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that bears on one order at `now`."""

    now: datetime
    order: Order
    moved_at: datetime | None  # its last recorded move
    watches: tuple[Watch, ...]  # that want it
    pace: Pace
    lags: Lags
    trouble: OpenCircuit | None  # of its account
    rooms: tuple[DiskRoom, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    topic: str
    text: str


def awaited(facts: Facts) -> Outlook:
    """What the last look left to wait for, as the cadence saw it then."""
    order, then = facts.order, facts.order.last_seen_at or facts.now
    moved = facts.moved_at is not None and facts.moved_at >= then
    return outlook(order, then, facts.pace, lags=facts.lags, moved=moved)


def explain(facts: Facts) -> Iterator[Evidence]:
    """Line by line, from what the provider says to what happens next."""
    order, now = facts.order, facts.now
    yield Evidence(topic="provider says", text=_said(order))
    yield Evidence(topic="for us", text=_held(order, facts.pace, now))
    yield Evidence(topic="watched", text=_watched(facts))
    yield Evidence(topic="seen", text=_seen(order, now))
    for capture in order.captures:
        yield Evidence(topic=f"capture {capture.capture_id[:8]}", text=_capture(order, capture, now))
        for delivery in order.deliveries_of(capture.capture_id):
            yield Evidence(topic=f"  {delivery.attachment}", text=_delivery(delivery, now))
    if facts.trouble is not None:
        yield Evidence(topic="account", text=in_words(facts.trouble, now))
    found = awaited(facts)
    yield Evidence(topic="awaited", text=found.awaited)
    if order.state is OrderState.OPEN or any(not c.status.final for c in order.captures):
        yield Evidence(topic="learned", text=_learned(order, facts.lags))
    yield Evidence(topic="next look", text=_next(facts, found))
    for room in facts.rooms:
        yield Evidence(topic="space", text=_room(room))


def _said(order: Order) -> str:
    standing = order.status
    if not standing.word:
        return "nothing: it answers 404"
    if standing.doubts and standing.phase is not None:
        return (
            f"{standing.word}, against its final {standing.phase}, {standing.doubts} times since "
            f"{format_time(standing.doubted_at) if standing.doubted_at else 'lately'}; believed after three "
            "times over an hour"
        )
    return standing.word if standing.phase else f"{standing.word}, a word we do not know: not final"


def _held(order: Order, pace: Pace, now: datetime) -> str:
    match order.state:
        case OrderState.SETTLING if order.final_at is not None:
            until = order.final_at + pace.grace
            since = format_time(order.final_at)
            return f"settling: final since {since}, polled at least until {format_time(until)}"
        case OrderState.DONE:
            return "done: final, every file stored, the grace time over"
        case OrderState.LOST:
            return "lost: the provider answers 404; what we hold of it stays"
        case _:
            window = f"its window is {_window(order, now)}" if order.start else "its window is not known"
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
        return "since it was placed from here"
    return "by no [[watch]]: it is kept as it is, and not looked at"


def _seen(order: Order, now: datetime) -> str:
    parts = []
    if order.looked_at:
        parts.append(
            f"its captures were asked for {ago(order.looked_at, now)} ({format_time(order.looked_at)})"
        )
    if order.listed_at:
        parts.append(f"the list showed it {ago(order.listed_at, now)}")
    if not parts and order.last_seen_at:
        parts.append(f"last taken in {ago(order.last_seen_at, now)} ({format_time(order.last_seen_at)})")
    return "; ".join(parts) or "never"


def _capture(order: Order, capture: Capture, now: datetime) -> str:
    word = capture.status.word
    parts = [word if capture.status.phase else f"{word}, a word we do not know: files decide"]
    if capture.start:
        taken = capture.start <= now
        parts.append(f"{'taken' if taken else 'to be taken'} {(ago if taken else until)(capture.start, now)}")
    if capture.published_at is None and capture.scenes_seen_at:
        parts.append(f"no file of it was offered {ago(capture.scenes_seen_at, now)}")
    if capture.published_at:
        parts.append(f"seen published {ago(capture.published_at, now)}")
        if capture.scenes_seen_at is None:
            parts.append("its scenes were not had yet")
        elif capture.lacking or not order.deliveries_of(capture.capture_id):
            parts.append(f"its files were not offered yet {ago(capture.scenes_seen_at, now)}")
        else:
            parts.append(f"its scenes were asked for {ago(capture.scenes_seen_at, now)}")
    return ", ".join(parts)


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
        parts.append(f"tried again {until(delivery.not_before, now)}")
    if delivery.reason:
        parts.append(delivery.reason)
    return ", ".join(parts)


def in_words(trouble: OpenCircuit, now: datetime | None) -> str:
    """An account's trouble; times as they are where `now` is None."""
    kind = "refused" if trouble.refused else "not answering"
    return (
        f"{kind} since {format_time(trouble.began_at)}, {trouble.failures} failures, asked again "
        f"{until(trouble.until, now)}: {trouble.reason}"
    )


def _learned(order: Order, lags: Lags) -> str:
    lag = lags.of(order.product)
    source = (
        f"{lag.learned} publications of its product" if lag.learned else "no publication of its product yet"
    )
    low, high = (format_duration(lag.median * factor) for factor in lag.quartiles)
    return f"half of its captures are published {low} to {high} after they were taken ({source})"


def _next(facts: Facts, found: Outlook) -> str:
    due = facts.order.next_look_at
    if due is None:
        return "never, unless the list shows that it moved"
    when = f"{until(due, facts.now)} ({format_time(due)})"
    if not facts.watches and not facts.order.ours:
        return f"none while nothing watches it; it would be {when}"
    if facts.now - due > _LATE * facts.pace.interval:
        account = "its account is not asked now"
        return f"{when}: {account if facts.trouble else 'no daemon runs, or its looks fail (see the log)'}"
    seen = facts.order.last_seen_at
    if seen is None or found.pause is None:
        return when
    return f"{when}: {_why_then(due - seen, found.pause, exact=found.exact)}"


def _why_then(planned: timedelta, pause: timedelta, *, exact: bool) -> str:
    if planned <= timedelta(seconds=1):
        return "its status just moved"
    rule = f"a pause of {format_duration(pause)}" + ("" if exact else ", give or take a tenth")
    if planned < pause * 0.89:
        return f"sooner than {rule}, since the last look did not see everything or the list showed news"
    return f"{rule}, for what is awaited"


def _room(room: DiskRoom) -> str:
    if room.left is None:
        return f"{room.root} cannot be asked"
    if room.left <= 0:
        return f"nothing may be written below {room.root}: the disk is as full as keep_free allows"
    return f"{format_bytes(room.left)} may be written below {room.root}"
