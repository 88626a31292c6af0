"""Our own machine, one delivery's life. It is strict: a wrong local move is a bug and raises."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from orderwatch.core.model import Delivery, DeliveryState, Order, Subject, Transition, TransitionKind
from orderwatch.core.orders.observe import delivery_label

_S = DeliveryState
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_ASK_AGAIN, _ASK_AT_LEAST = 3, 7  # rungs of the backoff on which a silent provider is asked again

ROADS: Mapping[DeliveryState, frozenset[DeliveryState]] = {
    _S.WANTED: frozenset({_S.FETCHING}),
    _S.FETCHING: frozenset({_S.STORED, _S.WAITING, _S.PARKED, _S.GIVEN_UP, _S.WANTED, _S.SUPERSEDED}),
    _S.WAITING: frozenset({_S.FETCHING, _S.WANTED}),
    _S.PARKED: frozenset({_S.FETCHING, _S.WANTED}),
    _S.GIVEN_UP: frozenset({_S.WANTED}),
    _S.STORED: frozenset({_S.SUPERSEDED, _S.WANTED}),
    _S.SUPERSEDED: frozenset(),
}


class FailureKind(StrEnum):
    """Why an attempt failed, as far as the next step depends on it."""

    NETWORK = "network"  # cut, stalled, unavailable, refused: come back later
    PROVIDER = "provider"  # the scene could not be asked: no fault of this delivery
    MISSING = "missing"  # the archive does not offer it: it may come back, and is asked for ever more seldom
    BUSY = "busy"  # the download host takes no more now: it counts for nothing
    LINK = "link"  # the link expired: ask for a fresh one at once
    BYTES = "bytes"  # complete but wrong: start over from nothing
    UNEXPECTED = "unexpected"  # an error of our own: no fault of any host
    DISK = "disk"  # the destination cannot take it: park until it can


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    trouble: FailureKind
    reason: str
    progressed: bool = False  # the attempt made at least one new byte durable
    bytes_sha256: str | None = None  # of the bytes refused
    wait: timedelta = timedelta(0)  # the least pause, where the host asked for one; of a busy one the pause


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    retry_min: timedelta
    retry_max: timedelta
    max_attempts: int
    disk: timedelta = timedelta(seconds=60)  # how often a full or failing disk is asked again


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryUpdate:
    """A delivery as it now is, and the move to record (None where only figures changed)."""

    delivery: Delivery
    transition: Transition | None


def rank(order: Order, delivery: Delivery) -> tuple[float | bool | datetime, ...]:
    """Less goes first: rush orders, then what was published first, then small before large."""
    capture = order.capture(delivery.capture_id)
    return (
        -order.priority,
        (capture and capture.published_at) or _LONG_AGO,
        delivery.attachment == "delivery_zip",
        delivery.total is None,
        delivery.total or 0,
    )


def claimed(delivery: Delivery, now: datetime) -> DeliveryUpdate:
    return _move(replace(delivery, not_before=None, reason=None), DeliveryState.FETCHING, now)


def released(delivery: Delivery, now: datetime) -> DeliveryUpdate:
    """Stopped or killed in mid-fetch: nobody holds it, and no attempt is counted."""
    return _move(delivery, DeliveryState.WANTED, now, "interrupted")


def held(delivery: Delivery, now: datetime, until: datetime | None, reason: str) -> DeliveryUpdate:
    """It was not tried, and no attempt is counted: its download host is not to be asked now."""
    return _move(
        replace(delivery, not_before=until or now, reason=reason), DeliveryState.WAITING, now, reason
    )


def on_stored(delivery: Delivery, now: datetime, remark: str | None = None) -> DeliveryUpdate:
    """The file stands under its final name, verified and durable. `remark`: what was not done with it."""
    stored = replace(
        delivery,
        attempts=delivery.attempts + 1,
        attempts_without_progress=0,
        stored_at=now,
        durable=delivery.size or 0,
        reason=remark,
        refused_sha256=None,
    )
    return _move(stored, DeliveryState.STORED, now, delivery.path)


def on_duplicate(delivery: Delivery, now: datetime, version: int) -> DeliveryUpdate:
    """Published again with the bytes we already hold as `version`."""
    retry = replace(
        delivery,
        root=None,
        path=None,
        size=None,
        sha256=None,
        durable=0,
        attempts=delivery.attempts + 1,
        reason=f"same bytes as version {version}",
    )
    return _move(retry, DeliveryState.SUPERSEDED, now, retry.reason)


def on_superseded(delivery: Delivery, now: datetime, version: int) -> DeliveryUpdate:
    """A newer version is stored; this one keeps its file."""
    return _move(replace(delivery, reason=f"version {version} is stored"), DeliveryState.SUPERSEDED, now)


def on_failure(
    delivery: Delivery, failure: Failure, now: datetime, policy: RetryPolicy, spread: float
) -> DeliveryUpdate:
    """Decide when, or whether, to try again. `spread` in [0, 1) is the jitter's draw."""
    if failure.trouble is FailureKind.DISK:
        parked = replace(delivery, not_before=now + policy.disk, reason=failure.reason)
        return _move(parked, DeliveryState.PARKED, now, failure.reason)
    if failure.trouble in {FailureKind.PROVIDER, FailureKind.MISSING}:
        asked = replace(delivery, attempts=delivery.attempts + 1, reason=failure.reason)
        rung = asked.attempts
        if failure.trouble is FailureKind.PROVIDER:
            rung = min(max(rung, _ASK_AGAIN), _ASK_AT_LEAST)
        pause = backoff(rung, policy, spread)
        return _move(replace(asked, not_before=now + pause), DeliveryState.WAITING, now, failure.reason)
    barren = 0 if failure.progressed else delivery.attempts_without_progress + 1
    tried = replace(
        delivery, attempts=delivery.attempts + 1, attempts_without_progress=barren, reason=failure.reason
    )
    if failure.trouble is FailureKind.BUSY:
        barren = 0 if failure.progressed else delivery.attempts_without_progress
        asked = replace(tried, attempts_without_progress=barren, not_before=now + failure.wait)
        return _move(asked, DeliveryState.WAITING, now, failure.reason)
    if failure.trouble is FailureKind.BYTES:
        same = failure.bytes_sha256 is not None and failure.bytes_sha256 == delivery.refused_sha256
        tried = replace(
            restarted(tried),
            furthest=max(tried.furthest, tried.total or 0),
            attempts_without_progress=delivery.attempts_without_progress + 1,
            refused_sha256=failure.bytes_sha256,
        )
        if same:
            reason = f"{failure.reason}; the same bytes twice, the provider has to mend them"
            parked = replace(tried, reason=reason, not_before=now + policy.retry_max)
            return _move(parked, DeliveryState.PARKED, now, reason)
    if tried.attempts_without_progress >= policy.max_attempts:
        return _move(tried, DeliveryState.GIVEN_UP, now, failure.reason)
    at_once = failure.trouble is FailureKind.LINK and tried.attempts_without_progress <= 1
    pause = (
        failure.wait
        if at_once
        else max(failure.wait, backoff(tried.attempts_without_progress, policy, spread))
    )
    return _move(replace(tried, not_before=now + pause), DeliveryState.WAITING, now, failure.reason)


def retry(delivery: Delivery, now: datetime) -> DeliveryUpdate:
    """An operator wants it again: a fresh count of attempts, the bytes we hold are kept."""
    fresh = replace(
        delivery, attempts=0, attempts_without_progress=0, not_before=None, reason=None, refused_sha256=None
    )
    return _move(fresh, DeliveryState.WANTED, now, "asked for again")


def on_loss(delivery: Delivery, now: datetime, reason: str) -> DeliveryUpdate:
    """What was stored is gone or no longer what it was: wanted again, under its name, from the first byte."""
    fresh = replace(
        restarted(delivery),
        stored_at=None,
        attempts=0,
        attempts_without_progress=0,
        not_before=None,
        reason=reason,
    )
    return _move(fresh, DeliveryState.WANTED, now, reason)


def restarted(delivery: Delivery) -> Delivery:
    """Nothing of the partial counts any more."""
    return replace(delivery, durable=0, furthest=0, total=None, validator=None, size=None, sha256=None)


def backoff(barren: int, policy: RetryPolicy, spread: float) -> timedelta:
    """Full jitter over a doubling ceiling, never below a tenth of it."""
    doublings = 1 << min(max(barren - 1, 0), 30)
    early = (
        doublings <= policy.retry_max // policy.retry_min
    )  # compared first: the product may be no timedelta
    ceiling = policy.retry_min * doublings if early else policy.retry_max
    return ceiling * (0.1 + 0.9 * spread)


def _move(
    delivery: Delivery, after: DeliveryState, now: datetime, detail: str | None = None
) -> DeliveryUpdate:
    before = delivery.state
    if after not in ROADS[before]:
        raise ValueError(f"a delivery cannot go from {before} to {after}")
    if delivery.stored_at is not None and not after.settled:
        raise ValueError(f"a delivery cannot be {after} while its file counts as stored")
    transition = Transition(
        at=now,
        account=delivery.account,
        task_id=delivery.task_id,
        capture_id=delivery.capture_id,
        scene_id=delivery.scene_id,
        subject=Subject.DELIVERY,
        before=before,
        after=after,
        kind=TransitionKind.STEP,
        detail=detail,
        file=delivery_label(delivery),
    )
    return DeliveryUpdate(delivery=replace(delivery, state=after), transition=transition)
