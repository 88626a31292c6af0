"""Classifies failed attempts at deliveries and logs them."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

import structlog

from orderwatch.core.deliveries.state_machine import Failure, FailureKind
from orderwatch.core.log_throttle import LogThrottle, is_due
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.errors import (
    BadBytesError,
    BusyHostError,
    DiskError,
    ForbiddenError,
    LinkExpiredError,
    LostBytesError,
    MissingError,
    OrderwatchError,
    ProviderError,
    RefusedBytesError,
    TransferError,
    UnexpectedError,
)
from orderwatch.service.fetching.attempt import Attempt

log = structlog.get_logger()

_KINDS: Mapping[type[OrderwatchError], FailureKind] = {  # a leaf before its parent
    DiskError: FailureKind.DISK,
    LinkExpiredError: FailureKind.LINK,
    MissingError: FailureKind.MISSING,
    ProviderError: FailureKind.PROVIDER,
    UnexpectedError: FailureKind.UNEXPECTED,
}
_EVENTS = {
    DeliveryState.WAITING: "delivery.waiting",
    DeliveryState.PARKED: "delivery.parked",
    DeliveryState.GIVEN_UP: "delivery.given_up",
}


async def classify(
    attempt: Attempt, error: TransferError | ProviderError | UnexpectedError, retry_max: timedelta
) -> Failure:
    """Return what an error means for the delivery; quarantines wrong bytes and discards lost ones."""
    reason, sha256 = str(error), None
    wait = timedelta(seconds=error.wait) if isinstance(error, TransferError) else timedelta(0)
    match error:
        case BusyHostError():
            kind, wait = FailureKind.BUSY, attempt.visit.on_refusal(wait, retry_max)
        case ForbiddenError() if not attempt.visit.on_forbidden():
            kind, wait = FailureKind.BUSY, attempt.visit.on_refusal(wait, retry_max)
        case BadBytesError():
            kind = FailureKind.BYTES
            try:
                sha256, path = await attempt.quarantine(reason)
                reason = f"{reason}; the bytes are in {path}"
            except DiskError as disk:
                kind, reason = FailureKind.DISK, str(disk)
        case RefusedBytesError() if attempt.delivery.refused is not None:
            kind, reason = FailureKind.BYTES, attempt.delivery.refused.reason
            sha256 = attempt.delivery.refused_sha256
        case LostBytesError():
            kind = FailureKind.DISK
            with suppress(DiskError):  # the disk may be read-only by now
                await attempt.start_over()
        case _:
            kind = next((k for t, k in _KINDS.items() if isinstance(error, t)), FailureKind.NETWORK)
    return Failure(trouble=kind, reason=reason, progressed=attempt.progressed, bytes_sha256=sha256, wait=wait)


class FailureLog:
    """Logs each failure of a delivery as a warning once, and repetitions at debug level."""

    def __init__(self) -> None:
        self._throttle = LogThrottle()

    def record(self, attempt: Attempt, failure: Failure) -> None:
        """Log the delivery's new state."""
        delivery = attempt.delivery
        repeats = self._throttle.again((delivery.key, delivery.state))
        is_known = False
        if delivery.state is DeliveryState.PARKED:  # retried every minute
            is_known = repeats > 1
        elif delivery.state is DeliveryState.WAITING:
            is_logged_for_host = failure.trouble is FailureKind.NETWORK and attempt.visit.is_failing
            waits_for_others = failure.trouble is FailureKind.BUSY and attempt.visit.is_shared
            is_known = is_logged_for_host or waits_for_others or not is_due(repeats)
        write_log = log.debug if is_known else log.warning
        write_log(
            _EVENTS[delivery.state],
            **attempt.row.log_fields,
            reason=delivery.reason,
            trouble=failure.trouble,
            attempts=delivery.attempts,
            repeats=repeats,
            durable=delivery.durable,
            not_before=delivery.not_before,
        )

    def forget(self, delivery: Delivery) -> None:
        """Count from one again for every failure that the delivery is not in now."""
        for state in _EVENTS:
            if state is not delivery.state or state is DeliveryState.GIVEN_UP:
                self._throttle.over((delivery.key, state))
