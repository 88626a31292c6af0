"""When to look again: a pure function of what is known and of the time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from orderwatch.core.machine import awaits_files
from orderwatch.core.model import Capture, Order, OrderState

_HOUR = timedelta(hours=1)
_LADDER = (_HOUR, 6 * _HOUR, 24 * _HOUR, 72 * _HOUR, 168 * _HOUR)
_JITTER = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    interval: timedelta  # how often an order that may change now is looked at
    slowest: timedelta  # the longest an open order waits
    grace: timedelta  # how long a finished order is still looked at


def next_look(order: Order, now: datetime, pace: Pace, spread: float) -> datetime | None:
    """When to look at this order again, None for never. `spread` in [0, 1) is the jitter's draw."""
    match order.state:
        case OrderState.DONE:
            return None
        case OrderState.LOST:
            return now + _jittered(pace.slowest, spread)
        case OrderState.OPEN:
            return now + _jittered(_open_pause(order, now, pace), spread)
        case OrderState.SETTLING:
            return _settling(order, now, pace, spread)


def scenes_due(order: Order, capture: Capture, now: datetime, pace: Pace) -> bool:
    """Whether to ask for a published capture's scenes: until all is offered always, later on the ladder.

    What is offered and not stored yet is the fetcher's: it asks the scene itself before each attempt.
    """
    if capture.published_at is None:
        return False
    seen = capture.scenes_seen_at
    if seen is None or capture.lacking or not order.deliveries_of(capture.capture_id):
        return True
    due = _rung_after(capture.published_at, seen, pace)
    return now >= (min(due, seen + _HOUR) if order.state is OrderState.OPEN else due)


def _open_pause(order: Order, now: datetime, pace: Pace) -> timedelta:
    """Before the window opens nothing can happen but a rejection; from then on anything may."""
    if order.start is None or order.captures or order.start <= now:
        return pace.interval
    return min(pace.slowest, max(pace.interval, order.start - now))


def _settling(order: Order, now: datetime, pace: Pace, spread: float) -> datetime:
    since = order.final_at or now
    if any(not c.standing.final or awaits_files(order, c) for c in order.captures):
        # The word is final, the outcome is not: go on as for an open order, more slowly as the days pass.
        pause = max(pace.interval, min(pace.slowest, (now - since) / 10))
        return now + _jittered(pause, spread)
    rungs = [_rung_after(since, now, pace)]
    rungs += [_rung_after(c.published_at, now, pace) for c in order.captures if c.published_at]
    return min(rungs)


def _rung_after(since: datetime, last: datetime, pace: Pace) -> datetime:
    """The first rung of the grace ladder after `last`: soon at first, then ever more seldom."""
    rungs = sorted({pace.grace, *(rung for rung in (*_soon(pace.interval), *_LADDER) if rung < pace.grace)})
    ahead = (since + rung for rung in rungs if since + rung > last)
    return next(ahead, last + max(pace.slowest, _LADDER[-1]))


def _soon(rung: timedelta) -> Iterator[timedelta]:
    while rung < _HOUR:
        yield rung
        rung *= 3


def _jittered(pause: timedelta, spread: float) -> timedelta:
    return pause * (1 - _JITTER + 2 * _JITTER * spread)
