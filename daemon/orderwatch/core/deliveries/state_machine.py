"""The state machine of a delivery. It is strict: an illegal transition is a bug and raises."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from orderwatch.core.deliveries.file_version import FileVersion, RefusedFile
from orderwatch.core.model import Delivery, DeliveryState, Order, Subject, Transition, TransitionKind
from orderwatch.core.orders.completeness import delivery_label

_S = DeliveryState
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_MIN_PROVIDER_RUNG, _MAX_PROVIDER_RUNG = 3, 7  # of the backoff while the provider does not answer

TRANSITIONS: Mapping[DeliveryState, frozenset[DeliveryState]] = {
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

    NETWORK = "network"  # cut, stalled, unavailable, refused: retry later
    PROVIDER = "provider"  # the scene could not be requested: not the delivery's fault
    MISSING = "missing"  # the archive does not offer it now: retry less and less often
    BUSY = "busy"  # the download host is busy: does not count
    LINK = "link"  # the link expired: request a fresh one immediately
    BYTES = "bytes"  # complete but wrong: start over
    UNEXPECTED = "unexpected"  # a bug: no host's fault
    DISK = "disk"  # the destination cannot store it: park


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    trouble: FailureKind
    reason: str
    progressed: bool = False  # the attempt made at least one new byte durable
    bytes_sha256: str | None = None  # of the wrong bytes
    wait: timedelta = timedelta(0)  # the minimum pause if the host demands one; for a busy host the pause


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    retry_min: timedelta
    retry_max: timedelta
    max_attempts: int
    disk: timedelta = timedelta(seconds=60)  # between attempts on a full or failing disk


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryUpdate:
    """The updated delivery, and the transition to record, None if its state did not change."""

    delivery: Delivery
    transition: Transition | None


def rank(order: Order, delivery: Delivery) -> tuple[float | bool | datetime, ...]:
    """Returns the sort key of the queue: rush orders, then by publication time, small before large."""
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
    """Re-queues an interrupted download without counting the attempt."""
    return _move(delivery, DeliveryState.WANTED, now, "interrupted")


def held(delivery: Delivery, now: datetime, until: datetime | None, reason: str) -> DeliveryUpdate:
    """Postpones a delivery whose download host is paused, without counting an attempt."""
    return _move(
        replace(delivery, not_before=until or now, reason=reason), DeliveryState.WAITING, now, reason
    )


def on_stored(delivery: Delivery, now: datetime, remark: str | None = None) -> DeliveryUpdate:
    """Records that the file has its final name, verified and durable; `remark` is what was not done."""
    stored = replace(
        delivery,
        attempts=delivery.attempts + 1,
        attempts_without_progress=0,
        stored_at=now,
        durable=delivery.size or 0,
        reason=remark,
        refused_sha256=None,
        refused=None,
    )
    return _move(stored, DeliveryState.STORED, now, delivery.path)


def on_duplicate(delivery: Delivery, now: datetime, version: int) -> DeliveryUpdate:
    """Records a republication with the same bytes as the stored `version`."""
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
    """Records that a newer version is stored; this one keeps its file."""
    return _move(replace(delivery, reason=f"version {version} is stored"), DeliveryState.SUPERSEDED, now)


def on_failure(
    delivery: Delivery, failure: Failure, now: datetime, policy: RetryPolicy, spread: float
) -> DeliveryUpdate:
    """Decides whether and when to retry. `spread` in [0, 1) is the jitter's draw."""
    if failure.trouble is FailureKind.DISK:
        parked = replace(delivery, not_before=now + policy.disk, reason=failure.reason)
        return _move(parked, DeliveryState.PARKED, now, failure.reason)
    if failure.trouble in {FailureKind.PROVIDER, FailureKind.MISSING}:
        asked = replace(delivery, attempts=delivery.attempts + 1, reason=failure.reason)
        rung = asked.attempts
        if failure.trouble is FailureKind.PROVIDER:
            rung = min(max(rung, _MIN_PROVIDER_RUNG), _MAX_PROVIDER_RUNG)
        pause = backoff(rung, policy, spread)
        return _move(replace(asked, not_before=now + pause), DeliveryState.WAITING, now, failure.reason)
    fruitless = 0 if failure.progressed else delivery.attempts_without_progress + 1
    tried = replace(
        delivery, attempts=delivery.attempts + 1, attempts_without_progress=fruitless, reason=failure.reason
    )
    if failure.trouble is FailureKind.BUSY:
        fruitless = 0 if failure.progressed else delivery.attempts_without_progress
        asked = replace(tried, attempts_without_progress=fruitless, not_before=now + failure.wait)
        return _move(asked, DeliveryState.WAITING, now, failure.reason)
    if failure.trouble is FailureKind.BYTES:
        tried = _refused(delivery, tried, failure)
    if tried.attempts_without_progress >= policy.max_attempts:
        return _move(tried, DeliveryState.GIVEN_UP, now, tried.reason)
    if tried.refused is not None and failure.trouble is FailureKind.BYTES:
        parked = replace(tried, not_before=now + policy.retry_max)
        return _move(parked, DeliveryState.PARKED, now, tried.reason)
    at_once = failure.trouble is FailureKind.LINK and tried.attempts_without_progress <= 1
    pause = (
        failure.wait
        if at_once
        else max(failure.wait, backoff(tried.attempts_without_progress, policy, spread))
    )
    return _move(replace(tried, not_before=now + pause), DeliveryState.WAITING, now, failure.reason)


def _refused(before: Delivery, tried: Delivery, failure: Failure) -> Delivery:
    """Returns the delivery without its wrong bytes. If they came twice, their file is remembered."""
    started_over = replace(
        restarted(tried),
        furthest=max(tried.furthest, tried.total or 0),
        attempts_without_progress=before.attempts_without_progress + 1,
        refused_sha256=failure.bytes_sha256,
        refused=None,
    )
    if failure.bytes_sha256 is None or failure.bytes_sha256 != before.refused_sha256:
        return started_over
    is_fetched = tried.total is not None or before.refused is None
    return replace(
        started_over,
        refused=RefusedFile(tried.file_version, failure.reason) if is_fetched else before.refused,
        reason=f"{failure.reason}; the same wrong bytes twice, so the provider must correct the file",
    )


def retry(delivery: Delivery, now: datetime) -> DeliveryUpdate:
    """Re-queues a delivery for an operator: resets the attempts, keeps the partial."""
    fresh = replace(
        delivery,
        attempts=0,
        attempts_without_progress=0,
        not_before=None,
        reason=None,
        refused_sha256=None,
        refused=None,
    )
    return _move(fresh, DeliveryState.WANTED, now, "retried by an operator")


def on_loss(delivery: Delivery, now: datetime, reason: str) -> DeliveryUpdate:
    """Re-queues a delivery whose stored file is missing or damaged, from the first byte."""
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
    """Returns the delivery without its partial."""
    unknown = delivery.described_by(FileVersion())
    return replace(unknown, durable=0, furthest=0, size=None, sha256=None)


def backoff(fruitless: int, policy: RetryPolicy, spread: float) -> timedelta:
    """Returns a pause with full jitter below a doubling ceiling, at least a tenth of it."""
    doublings = 1 << min(max(fruitless - 1, 0), 30)
    early = doublings <= policy.retry_max // policy.retry_min  # compared first: the product may overflow
    ceiling = policy.retry_min * doublings if early else policy.retry_max
    return ceiling * (0.1 + 0.9 * spread)


def _move(
    delivery: Delivery, after: DeliveryState, now: datetime, detail: str | None = None
) -> DeliveryUpdate:
    before = delivery.state
    if after not in TRANSITIONS[before]:
        raise ValueError(f"a delivery cannot go from {before} to {after}")
    if delivery.stored_at is not None and not after.settled:
        raise ValueError(f"a delivery cannot be {after} while its file counts as stored")
    transition = Transition(
        at=now,
        account=delivery.account,
        order_id=delivery.order_id,
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
