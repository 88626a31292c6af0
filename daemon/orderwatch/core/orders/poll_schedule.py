"""When to look again: a pure function of what is known and of the time.

For a given number of requests the mean delay is least when the rate of looks follows the square root of the
hazard, the rate at which something may change. So the next look is when the integral of that root since the
last one reaches a constant, which `interval` sets.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from orderwatch.core.model import Capture, Order, OrderPhase, OrderState
from orderwatch.core.orders.publication_lag import UNLEARNED, Lag, Lags

_HOUR = timedelta(hours=1)
_DAY = 24 * _HOUR
_LADDER = (_HOUR, 6 * _HOUR, _DAY, 3 * _DAY, 7 * _DAY)
_JITTER = 0.1
_ZONES = timedelta(hours=14)  # from UTC, the farthest there is
_SELDOM = 6 * _HOUR  # how often scenes are asked for of which nothing is promised

# What changes at this rate, or faster, is looked at every `interval`.
_BRISK = 1 / (10 * 3600)  # per s
# Captures that an open order gets, before we know better: one in ten days.
_NEW_CAPTURES, _NEW_DAYS = 1.0, 10.0
# Whatever the model says, the pause is no more than so many intervals, for a model can be wrong: soon after
# something was taken, and else.
_TAKEN, _QUIET = 4, 18
_STEPS = 12  # of the integral, within the pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    interval: timedelta  # how often an order that may change now is looked at
    max_interval: timedelta  # the longest an open order waits
    grace: timedelta  # how long a finished order is still looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Why the next look is when it is; `pause` counts from the last one, and is None for never."""

    awaited: str
    pause: timedelta | None
    exact: bool = False  # a rung of the ladder: to be met, not jittered


def next_look(
    order: Order, now: datetime, pace: Pace, spread: float, *, lags: Lags = UNLEARNED, moved: bool = False
) -> datetime | None:
    """When to look at this order again, None for never. `spread` in [0, 1) is the jitter's draw."""
    found = outlook(order, now, pace, lags=lags, moved=moved)
    if found.pause is None:
        return None
    return now + (found.pause if found.exact else _jittered(found.pause, spread))


def outlook(
    order: Order, now: datetime, pace: Pace, *, lags: Lags = UNLEARNED, moved: bool = False
) -> Outlook:
    """What is awaited of an order that was looked at just now; `moved` if that look showed a change."""
    match order.state:
        case OrderState.DONE:
            return Outlook(awaited="nothing: it is done", pause=None)
        case OrderState.LOST:
            return Outlook(awaited="that the provider shows it again", pause=_lost(order, now, pace))
        case OrderState.OPEN:
            return _open(order, now, pace, lags, moved=moved)
        case OrderState.SETTLING:
            return _settling(order, now, pace, lags, moved=moved)


def is_idle(order: Order, now: datetime) -> bool:
    """Nothing can have been taken yet, so that there is nothing to ask but the order itself."""
    return order.state is OrderState.OPEN and not order.captures and _until_open(order, now) > timedelta(0)


def _until_open(order: Order, now: datetime) -> timedelta:
    """Until its window opens; once the provider works on it a start told in a wrong zone is reckoned with."""
    if order.start is None:
        return timedelta(0)
    wrong = timedelta(0) if order.status.phase is OrderPhase.RECEIVED else _ZONES
    return order.start - now - wrong


def farthest(pace: Pace) -> timedelta:
    """No look is planned further ahead: what is was planned by a clock that was wrong."""
    return 2 * max(pace.max_interval, pace.grace, _LADDER[-1])


def scenes_due(order: Order, capture: Capture, now: datetime, pace: Pace) -> bool:
    """Whether to ask for a capture's scenes: of a published one until all is offered, later on the ladder.

    Files are the truth: one whose word is unclear is asked for them all the same. What is offered and not
    stored yet is the fetcher's: it asks the scene itself before each attempt.
    """
    if capture.published_at is None:
        return capture.unclear and _may_have_files(order, capture, now, pace)
    seen = capture.scenes_seen_at
    if seen is None or _is_owed(order, capture):
        return True
    due = _rung_after(capture.published_at, seen, pace)
    if order.final_at is not None and seen < order.final_at + pace.grace:
        due = min(due, order.final_at + pace.grace)  # by the look that closes the order
    return now >= (min(due, seen + _HOUR) if order.state is OrderState.OPEN else due)


def _may_have_files(order: Order, capture: Capture, now: datetime, pace: Pace) -> bool:
    """Seldom while the order runs, soon after its end and then less and less, and when its grace is over."""
    ended = order.final_at or order.end
    pause = _SELDOM
    if ended is not None and ended <= now:
        pause = min((now - ended) / 12, _DAY)
    elif capture.start is not None and capture.start > now:
        return False
    seen = capture.scenes_seen_at
    if seen is None or not timedelta(0) <= now - seen < pause:
        return True
    return order.final_at is not None and seen < order.final_at + pace.grace <= now


def _lost(order: Order, now: datetime, pace: Pace) -> timedelta:
    """Soon at first, for a 404 may be a moment's; what was never seen may have been asked for too early."""
    age = now - order.looked_at if order.looked_at else 4 * _QUIET * pace.interval
    return max(pace.interval, min(pace.max_interval, age / 4))


def _open(order: Order, now: datetime, pace: Pace, lags: Lags, *, moved: bool) -> Outlook:
    if is_idle(order, now):
        pause = min(pace.max_interval, max(pace.interval, _until_open(order, now)))
        return Outlook(awaited="that its window opens", pause=pause)
    if owed := _owed(order, now, pace):
        return owed
    if moved:
        return Outlook(awaited="what follows a change that was just seen", pause=pace.interval)
    return _by_hazard(order, now, pace, lags.of(order.product))


def _settling(order: Order, now: datetime, pace: Pace, lags: Lags, *, moved: bool) -> Outlook:
    if owed := _owed(order, now, pace):
        return owed
    doubted_at = order.status.doubted_at
    if moved or (doubted_at is not None and now < doubted_at + _DAY):
        return Outlook(awaited="what follows a change that was just seen", pause=pace.interval)
    if any(not c.status.final for c in order.captures):
        return _by_hazard(order, now, pace, lags.of(order.product))
    since = order.final_at or now
    if now >= since + pace.grace:
        pause = max(pace.interval, min(pace.max_interval, (now - since - pace.grace) / 4))
        return Outlook(awaited="its last files, which are being fetched", pause=pause)
    rungs = [_rung_after(since, now, pace)]
    rungs += [_rung_after(c.published_at, now, pace) for c in order.captures if c.published_at]
    awaited = "late scenes, or scenes published again" if order.captures else "captures after all"
    return Outlook(awaited=awaited, pause=min(rungs) - now, exact=True)


def _owed(order: Order, now: datetime, pace: Pace) -> Outlook | None:
    """Something published is not offered yet: at `interval` for a day, then ever more slowly."""
    since = [c.published_at for c in order.captures if c.published_at and _is_owed(order, c)]
    if not since:
        return None
    age = now - max(since)
    pause = pace.interval if age < _DAY else max(pace.interval, min(pace.max_interval, age / 24))
    return Outlook(awaited="files of a published capture that are not offered yet", pause=pause)


def _is_owed(order: Order, capture: Capture) -> bool:
    return not capture.failed and (capture.lacking or not order.deliveries_of(capture.capture_id))


def _by_hazard(order: Order, now: datetime, pace: Pace, lag: Lag) -> Outlook:
    pending = [c for c in order.captures if not c.status.final]
    taken = [c.start for c in pending if c.start and c.start <= now]
    ahead = [c.start for c in pending if c.start and c.start > now]
    longest = _longest(order, now, pace, taken)
    if ahead:  # to see that it was taken
        longest = min(longest, min(ahead) - now + pace.interval)
    pause = _until_worth_it(_hazard(order, now, pending, lag), pace, longest)
    if taken:
        some = "a capture that was" if len(taken) == 1 else f"{len(taken)} captures that were"
        return Outlook(awaited=f"publication of {some} taken", pause=pause)
    if ahead:
        return Outlook(awaited=f"a capture planned for {min(ahead):%Y-%m-%d %H:%M} UTC", pause=pause)
    if pending:
        return Outlook(awaited="captures whose time is not known", pause=pause)
    return Outlook(awaited="a first capture" if not order.captures else "further captures", pause=pause)


def _longest(order: Order, now: datetime, pace: Pace, taken: list[datetime]) -> timedelta:
    """While it runs only so many intervals, since the model may be wrong; once it is final ever more."""
    if order.final_at is not None:
        return max(_TAKEN * pace.interval, (now - order.final_at) / 12)
    quiet = _QUIET * pace.interval
    return max(_TAKEN * pace.interval, min(quiet, (now - max(taken)) / 12)) if taken else quiet


def _hazard(order: Order, now: datetime, pending: list[Capture], lag: Lag) -> Callable[[float], float]:
    """Publications per second, `u` seconds from now: of captures we know, and of those we do not know yet."""
    ages = [(now - c.start).total_seconds() for c in pending if c.start]
    more = order.state is OrderState.OPEN and (order.end is None or now < order.end)
    unknown = _rate_of_captures(order, now) if more else 0.0

    def hazard(u: float) -> float:
        return sum(lag.hazard(age + u) for age in ages) + unknown * lag.came(u)

    return hazard


def _rate_of_captures(order: Order, now: datetime) -> float:
    """New captures per second, from those it had in the days of its window so far."""
    days = max(now - order.start, timedelta(0)) / _DAY if order.start else 0.0
    return (len(order.captures) + _NEW_CAPTURES) / (days + _NEW_DAYS) / 86_400


def _until_worth_it(hazard: Callable[[float], float], pace: Pace, longest: timedelta) -> timedelta:
    """The pause after which the integral of the hazard's root has made up for one look."""
    least = pace.interval.total_seconds()
    most = min(pace.max_interval, longest).total_seconds()
    step = max((most - least) / _STEPS, least / 4, 1e-3)
    passed = gathered = 0.0
    while passed < most and gathered < 1:
        more = step / least * math.sqrt(hazard(passed + step / 2) / _BRISK)
        passed += step if gathered + more <= 1 else step * (1 - gathered) / more
        gathered += more
    return timedelta(seconds=min(max(passed, least), max(most, least)))


def _rung_after(since: datetime, last: datetime, pace: Pace) -> datetime:
    """The first rung of the grace ladder after `last`: soon at first, then ever more seldom."""
    rungs = sorted({pace.grace, *(rung for rung in (*_soon(pace.interval), *_LADDER) if rung < pace.grace)})
    ahead = (since + rung for rung in rungs if since + rung > last)
    return next(ahead, last + max(pace.max_interval, _LADDER[-1]))


def _soon(rung: timedelta) -> Iterator[timedelta]:
    while rung < _HOUR:
        yield rung
        rung *= 3


def _jittered(pause: timedelta, spread: float) -> timedelta:
    return pause * (1 - _JITTER + 2 * _JITTER * spread)
