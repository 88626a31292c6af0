"""The state of a download host for one account: pauses after failures, and a connection limit."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from orderwatch.core.orders.circuit_breaker import (
    MAX_OPEN_TIME,
    MAX_PAUSE,
    AccountFailure,
    OpenCircuit,
    record_failure,
)

FAILURES_TO_OPEN = 3  # files that fail, or connections without an answer, in a row
_BUSY_FILES_TO_PAUSE = 2  # in a row
_FIRST_PAUSE = timedelta(seconds=30)
_LIMIT_RAISE_INTERVAL = timedelta(minutes=5)  # without a refusal, the limit grows by one
_MAX_DOUBLINGS = 10


class HostKey(NamedTuple):
    """An account and a download host, with the port if the link has one."""

    account: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The host refused the file `by` while it served `most` others."""

    most: int
    at: datetime
    by: Hashable


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The state of one host; `against` and `busy` are since the last bytes.

    `forbidden` files are refused whatever else runs. `excused` files failed while others succeeded, so their
    failures say nothing about the host.
    """

    against: tuple[tuple[Hashable, bool], ...] = ()  # failed files, and whether the host answered
    trouble: OpenCircuit | None = None
    busy: frozenset[Hashable] = frozenset()
    refusals: int = 0  # as busy, while nothing else was running
    until: datetime | None = None  # the pause that it demanded
    limit: Limit | None = None
    forbidden: frozenset[Hashable] = frozenset()
    excused: frozenset[Hashable] = frozenset()

    @property
    def doubted(self) -> bool:
        """Whether only one download at a time may try it."""
        return self.trouble is not None or self.until is not None

    def holds(self, now: datetime) -> datetime | None:
        """Returns the end of the pause, unless it was set by a wrong clock."""
        moments = (self.until, self.trouble and self.trouble.until)
        return max((at for at in moments if at and now < at <= now + MAX_OPEN_TIME), default=None)

    def takes(self, now: datetime) -> int | None:
        """Returns the connection limit, None without one."""
        if self.limit is None:
            return None
        return self.limit.most + max(0, (now - self.limit.at) // _LIMIT_RAISE_INTERVAL)


def host_of(url: str) -> str:
    """Returns the host of a link with its port, "" for an invalid link."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def after_bytes(host: Host, file: Hashable) -> Host:
    """Returns the host after bytes were received: it works, so earlier failures were those of their files."""
    failed = frozenset(each for each, reached in host.against if reached)
    excused = (host.excused | failed) - {file}
    return Host(limit=host.limit, forbidden=host.forbidden - {file}, excused=excused)


def after_failure(
    host: Host,
    file: Hashable,
    reason: str,
    now: datetime,
    *,
    reached: bool,
    slowest: timedelta,
    spread: float,
) -> Host:
    """Returns the host after a failure without a new byte; a file counts once if the host was `reached`.

    The pause is at most `slowest`; `spread` in [0, 1) is the jitter's draw.
    """
    if reached and file in host.excused:
        return host
    seen = reached and (file, True) in host.against
    against = host.against if seen else (*host.against[-FAILURES_TO_OPEN:], (file, reached))
    if host.trouble is None and len(against) < FAILURES_TO_OPEN:
        return replace(host, against=against)
    failure = AccountFailure(refused=False, reason=reason)
    trouble = record_failure(host.trouble, failure, now, first=_FIRST_PAUSE, gentle=False, spread=spread)
    trouble = replace(trouble, until=min(trouble.until, now + slowest))
    return replace(host, against=against, trouble=trouble)


def after_refusal(host: Host, file: Hashable, wait: timedelta, now: datetime, others: int) -> Host:
    """Returns the host after it was too busy for this file while `others` were running.

    With others, that only sets the limit. Without others, the second busy file pauses all for `wait`.
    """
    host = replace(host, limit=Limit(most=max(1, others), at=now, by=file))
    if others:
        return host
    host = replace(host, busy=host.busy | {file}, refusals=host.refusals + 1)
    return replace(host, until=now + wait) if len(host.busy) >= _BUSY_FILES_TO_PAUSE else host


def after_forbidden(host: Host, file: Hashable) -> Host:
    """Returns the host after it refused this file while nothing else was running: the file is the reason."""
    by_it = host.limit is not None and host.limit.by == file
    return replace(host, forbidden=host.forbidden | {file}, limit=None if by_it else host.limit)


def requested_wait(host: Host, wait: timedelta) -> timedelta:
    """Returns the pause that it demanded; a short one is doubled at each refusal."""
    doubled: timedelta = wait * 2 ** min(host.refusals, _MAX_DOUBLINGS)
    return max(wait, min(_FIRST_PAUSE, doubled))


def backoff_wait(host: Host, slowest: timedelta) -> timedelta:
    """Returns the pause of a busy host that demands none."""
    pause: timedelta = _FIRST_PAUSE * 2 ** min(host.refusals, _MAX_DOUBLINGS)
    return min(MAX_PAUSE, slowest, pause)
