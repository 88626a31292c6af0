"""When to poll an order again: a pure function of the recorded facts and the time.

For a given number of requests the mean delay is least when the rate of polls follows the square root of the
hazard, the rate at which something may change. So the next poll is when the integral of that root since the
last one reaches a constant, which `interval` sets.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from orderwatch.core.model import Capture, Order, OrderPhase, OrderState
from orderwatch.core.orders.completeness import PARTS_SETTLE, may_get_parts
from orderwatch.core.orders.publication_lag import UNLEARNED, Lag, Lags

_HOUR = timedelta(hours=1)
_DAY = 24 * _HOUR
_LADDER = (_HOUR, 6 * _HOUR, _DAY, 3 * _DAY, 7 * _DAY)
_JITTER = 0.1
_MAX_ZONE_OFFSET = timedelta(hours=14)
_UNCLEAR_INTERVAL = 6 * _HOUR  # between requests for scenes of a capture whose status is unclear

# An order that changes at this rate per second, or faster, is polled every `interval`.
_FULL_RATE = 1 / (10 * 3600)
# The prior for the captures of an open order: one in ten days.
_NEW_CAPTURES, _NEW_DAYS = 1.0, 10.0
# The most intervals between two polls, since the model may be wrong: soon after a capture was taken, and
# otherwise.
_MAX_INTERVALS_TAKEN, _MAX_INTERVALS_QUIET = 4, 18
_INTEGRATION_STEPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    interval: timedelta  # between polls of an order that may change now
    max_interval: timedelta  # between polls of an open order
    grace: timedelta  # in which a final order is still polled


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the next poll waits for; `pause` counts from the last one, and is None for never."""

    awaited: str
    pause: timedelta | None
    exact: bool = False  # a rung of the ladder, without jitter


def next_look(
    order: Order, now: datetime, pace: Pace, spread: float, *, lags: Lags = UNLEARNED, moved: bool = False
) -> datetime | None:
    """Returns when to poll this order again, None for never. `spread` in [0, 1) is the jitter's draw."""
    found = outlook(order, now, pace, lags=lags, moved=moved)
    if found.pause is None:
        return None
    return now + (found.pause if found.exact else _jittered(found.pause, spread))


def outlook(
    order: Order, now: datetime, pace: Pace, *, lags: Lags = UNLEARNED, moved: bool = False
) -> Outlook:
    """Returns what is awaited of an order that was polled just now; `moved` if that poll showed a change."""
    match order.state:
        case OrderState.DONE:
            return Outlook(awaited="nothing: it is done", pause=None)
        case OrderState.LOST:
            return Outlook(awaited="that the provider shows the order again", pause=_lost(order, now, pace))
        case OrderState.OPEN:
            return _open(order, now, pace, lags, moved=moved)
        case OrderState.SETTLING:
            return _settling(order, now, pace, lags, moved=moved)


def is_idle(order: Order, now: datetime) -> bool:
    """Returns whether nothing can have been captured yet, so that only the order itself is requested."""
    return order.state is OrderState.OPEN and not order.captures and _until_open(order, now) > timedelta(0)


def _until_open(order: Order, now: datetime) -> timedelta:
    """Returns the time until its window opens; once it is in progress, its start may be in a wrong zone."""
    if order.start is None:
        return timedelta(0)
    wrong = timedelta(0) if order.status.phase is OrderPhase.RECEIVED else _MAX_ZONE_OFFSET
    return order.start - now - wrong


def farthest(pace: Pace) -> timedelta:
    """Returns the longest time to a next poll; a later one was planned by a wrong clock."""
    return 2 * max(pace.max_interval, pace.grace, _LADDER[-1])


def scenes_due(order: Order, capture: Capture, now: datetime, pace: Pace) -> bool:
    """Returns whether to request a capture's scenes: until every file is offered, then on the ladder.

    Files are the truth, so the scenes of a capture with an unclear status are requested too. The fetcher
    requests the scene of an offered file itself before each attempt.
    """
    if capture.published_at is None:
        return capture.unclear and _may_have_files(order, capture, now, pace)
    seen = capture.scenes_seen_at
    if seen is None or _is_owed(order, capture):
        return True
    due = _scenes_due_after(capture, capture.published_at, seen, pace)
    if order.final_at is not None and seen < order.final_at + pace.grace:
        due = min(due, order.final_at + pace.grace)  # by the poll that closes the order
    return now >= (min(due, seen + _HOUR) if order.state is OrderState.OPEN else due)


def _may_have_files(order: Order, capture: Capture, now: datetime, pace: Pace) -> bool:
    """Returns whether an unclear capture may have files: rarely while the order runs, often after its end."""
    ended = order.final_at or order.end
    pause = _UNCLEAR_INTERVAL
    if ended is not None and ended <= now:
        pause = min((now - ended) / 12, _DAY)
    elif capture.start is not None and capture.start > now:
        return False
    seen = capture.scenes_seen_at
    if seen is None or not timedelta(0) <= now - seen < pause:
        return True
    return order.final_at is not None and seen < order.final_at + pace.grace <= now


def _lost(order: Order, now: datetime, pace: Pace) -> timedelta:
    """Returns a pause that grows with the age of the 404, which may be short-lived."""
    age = now - order.looked_at if order.looked_at else 4 * _MAX_INTERVALS_QUIET * pace.interval
    return max(pace.interval, min(pace.max_interval, age / 4))


def _open(order: Order, now: datetime, pace: Pace, lags: Lags, *, moved: bool) -> Outlook:
    if is_idle(order, now):
        pause = min(pace.max_interval, max(pace.interval, _until_open(order, now)))
        return Outlook(awaited="the opening of its window", pause=pause)
    if owed := _owed(order, now, pace):
        return owed
    if moved:
        return Outlook(awaited="what follows a recent change", pause=pace.interval)
    return _parts_first(order, now, pace, _by_hazard(order, now, pace, lags.of(order.product)))


def _settling(order: Order, now: datetime, pace: Pace, lags: Lags, *, moved: bool) -> Outlook:
    if owed := _owed(order, now, pace):
        return owed
    doubted_at = order.status.doubted_at
    if moved or (doubted_at is not None and now < doubted_at + _DAY):
        return Outlook(awaited="what follows a recent change", pause=pace.interval)
    if any(not c.status.final for c in order.captures):
        return _parts_first(order, now, pace, _by_hazard(order, now, pace, lags.of(order.product)))
    since = order.final_at or now
    if now >= since + pace.grace:
        pause = max(pace.interval, min(pace.max_interval, (now - since - pace.grace) / 4))
        last = Outlook(awaited="the download of its last files", pause=pause)
        return _parts_first(order, now, pace, last)
    rungs = [_rung_after(since, now, pace)]
    rungs += [
        _scenes_due_after(c, c.published_at, now, pace) for c in order.captures if c.published_at is not None
    ]
    awaited = "late or republished scenes" if order.captures else "late captures"
    late = Outlook(awaited=awaited, pause=min(rungs) - now, exact=True)
    return _parts_first(order, now, pace, late)


def _parts_first(order: Order, now: datetime, pace: Pace, later: Outlook) -> Outlook:
    """Returns the outlook while captures may get parts: no later than the next request for their scenes."""
    due = [
        _scenes_due_after(c, c.published_at, now, pace)
        for c in order.captures
        if c.published_at is not None and not c.failed and may_get_parts(c)
    ]
    pause = max(pace.interval, min(due) - now) if due else None
    if pause is None or (later.pause is not None and later.pause < pause):
        return later
    is_exact = order.state is OrderState.SETTLING
    return Outlook(awaited="further parts of a capture", pause=pause, exact=is_exact)


def _owed(order: Order, now: datetime, pace: Pace) -> Outlook | None:
    """Returns the outlook while published files are not offered: `interval` for a day, then longer pauses."""
    since = [c.published_at for c in order.captures if c.published_at and _is_owed(order, c)]
    if not since:
        return None
    age = now - max(since)
    pause = pace.interval if age < _DAY else max(pace.interval, min(pace.max_interval, age / 24))
    return Outlook(awaited="files of a published capture", pause=pause)


def _is_owed(order: Order, capture: Capture) -> bool:
    return not capture.failed and (capture.lacking or not order.files_of(capture.capture_id))


def _by_hazard(order: Order, now: datetime, pace: Pace, lag: Lag) -> Outlook:
    pending = [c for c in order.captures if not c.status.final]
    taken = [c.start for c in pending if c.start and c.start <= now]
    ahead = [c.start for c in pending if c.start and c.start > now]
    longest = _max_pause(order, now, pace, taken)
    if ahead:  # to see that it was captured
        longest = min(longest, min(ahead) - now + pace.interval)
    pause = _pause_by_hazard(_hazard(order, now, pending, lag), pace, longest)
    if taken:
        some = "a capture" if len(taken) == 1 else f"{len(taken)} captures"
        return Outlook(awaited=f"the publication of {some}", pause=pause)
    if ahead:
        return Outlook(awaited=f"a capture planned for {min(ahead):%Y-%m-%d %H:%M} UTC", pause=pause)
    if pending:
        return Outlook(awaited="captures without a planned time", pause=pause)
    return Outlook(awaited="the first capture" if not order.captures else "further captures", pause=pause)


def _max_pause(order: Order, now: datetime, pace: Pace, taken: list[datetime]) -> timedelta:
    """Returns the longest pause: some intervals while the order runs, and more and more once it is final."""
    if order.final_at is not None:
        return max(_MAX_INTERVALS_TAKEN * pace.interval, (now - order.final_at) / 12)
    quiet = _MAX_INTERVALS_QUIET * pace.interval
    return max(_MAX_INTERVALS_TAKEN * pace.interval, min(quiet, (now - max(taken)) / 12)) if taken else quiet


def _hazard(order: Order, now: datetime, pending: list[Capture], lag: Lag) -> Callable[[float], float]:
    """Returns publications per second at `u` seconds from now, of known and of future captures."""
    ages = [(now - c.start).total_seconds() for c in pending if c.start]
    more = order.state is OrderState.OPEN and (order.end is None or now < order.end)
    unknown = _rate_of_captures(order, now) if more else 0.0

    def hazard(u: float) -> float:
        return sum(lag.hazard(age + u) for age in ages) + unknown * lag.published_by(u)

    return hazard


def _rate_of_captures(order: Order, now: datetime) -> float:
    """Returns new captures per second, estimated from the days of its window so far."""
    days = max(now - order.start, timedelta(0)) / _DAY if order.start else 0.0
    return (len(order.captures) + _NEW_CAPTURES) / (days + _NEW_DAYS) / 86_400


def _pause_by_hazard(hazard: Callable[[float], float], pace: Pace, longest: timedelta) -> timedelta:
    """Returns the pause after which the integral of the hazard's root is worth one poll."""
    least = pace.interval.total_seconds()
    most = min(pace.max_interval, longest).total_seconds()
    step = max((most - least) / _INTEGRATION_STEPS, least / 4, 1e-3)
    passed = gathered = 0.0
    while passed < most and gathered < 1:
        more = step / least * math.sqrt(hazard(passed + step / 2) / _FULL_RATE)
        passed += step if gathered + more <= 1 else step * (1 - gathered) / more
        gathered += more
    return timedelta(seconds=min(max(passed, least), max(most, least)))


def _scenes_due_after(capture: Capture, published_at: datetime, last: datetime, pace: Pace) -> datetime:
    """Returns when to request a published capture's scenes after `last`.

    Its ladder begins again when a part is new, and has a rung where the parts count as complete.
    """
    changed_at = capture.parts_changed_at
    if changed_at is None:
        return _rung_after(published_at, last, pace)
    due, settles_at = _rung_after(changed_at, last, pace), changed_at + PARTS_SETTLE
    return min(due, settles_at) if last < settles_at else due


def _rung_after(since: datetime, last: datetime, pace: Pace) -> datetime:
    """Returns the first rung of the grace ladder after `last`; the rungs are further and further apart."""
    ladder = *_first_rungs(pace.interval), *_LADDER
    rungs = sorted({pace.grace, *(rung for rung in ladder if rung < pace.grace)})
    ahead = (since + rung for rung in rungs if since + rung > last)
    return next(ahead, last + max(pace.max_interval, _LADDER[-1]))


def _first_rungs(rung: timedelta) -> Iterator[timedelta]:
    while rung < _HOUR:
        yield rung
        rung *= 3


def _jittered(pause: timedelta, spread: float) -> timedelta:
    return pause * (1 - _JITTER + 2 * _JITTER * spread)
