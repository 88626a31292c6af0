"""Trouble of a whole account: when it is asked again, one probe at a time and ever more seldom."""

from dataclasses import dataclass
from datetime import datetime, timedelta

SLOWEST = timedelta(minutes=5)
SLOWEST_REFUSED = timedelta(minutes=15)
LONGEST = timedelta(
    hours=1, minutes=10
)  # a provider may ask for an hour; more can only be a clock that was set
_MOST_DOUBLINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCircuit:
    """`refused`: credentials or contract, until someone acts; else the provider does not answer."""

    began_at: datetime
    failures: int
    until: datetime  # nobody asks before
    refused: bool
    reason: str

    def holds(self, now: datetime) -> bool:
        return now < self.until <= now + LONGEST


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFailure:
    """One failure; `wait` is what the provider asks for."""

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
    """The trouble after one more failure.

    `spread` in [0, 1) is the jitter's draw. While `gentle` the pauses do not grow: a machine that has just
    started may still be waiting for its network. The `spared` failures of that phase lengthen no later pause.
    """
    failures = known.failures if known else 0
    doublings = 0 if gentle else min(max(failures - spared, 0), _MOST_DOUBLINGS)
    pause = min(SLOWEST_REFUSED if failed.refused else SLOWEST, first * 2**doublings)
    return OpenCircuit(
        began_at=min(known.began_at, now) if known else now,
        failures=failures + 1,
        until=now + max(failed.wait, pause * (0.5 + spread / 2)),
        refused=failed.refused,
        reason=failed.reason,
    )
