"""The circuit breaker: pauses requests after failures, longer each time, then lets one request through."""

from dataclasses import dataclass
from datetime import datetime, timedelta

MAX_PAUSE = timedelta(minutes=5)
MAX_REFUSED_PAUSE = timedelta(minutes=15)
# A provider may demand an hour; a later time can only come from a clock that was wrong.
MAX_OPEN_TIME = timedelta(hours=1, minutes=10)
_MAX_DOUBLINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCircuit:
    """The pause; `refused` is for credentials or the contract, otherwise the provider does not answer."""

    began_at: datetime
    failures: int
    until: datetime  # the next request
    refused: bool
    reason: str

    def holds(self, now: datetime) -> bool:
        return now < self.until <= now + MAX_OPEN_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFailure:
    """One failure; `wait` is the pause that the provider demands."""

    refused: bool
    reason: str
    wait: timedelta = timedelta(0)


def record_failure(
    known: OpenCircuit | None,
    failed: AccountFailure,
    now: datetime,
    *,
    first: timedelta,
    gentle: bool,
    spread: float,
    spared: int = 0,
) -> OpenCircuit:
    """Returns the circuit after one more failure.

    `spread` in [0, 1) is the jitter's draw. While `gentle` the pauses do not grow, since a machine that has
    just started may wait for its network; the `spared` failures of that phase lengthen no later pause.
    """
    failures = known.failures if known else 0
    doublings = 0 if gentle else min(max(failures - spared, 0), _MAX_DOUBLINGS)
    pause = min(MAX_REFUSED_PAUSE if failed.refused else MAX_PAUSE, first * 2**doublings)
    return OpenCircuit(
        began_at=min(known.began_at, now) if known else now,
        failures=failures + 1,
        until=now + max(failed.wait, pause * (0.5 + spread / 2)),
        refused=failed.refused,
        reason=failed.reason,
    )
