"""What is known of a download host, as one account uses it: when it may be asked, and how often at once."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from orderwatch.core.orders.circuit_breaker import (
    LONGEST,
    SLOWEST,
    AccountFailure,
    OpenCircuit,
    record_failure,
)

ENOUGH = 3  # files that a host fails for, or connections that it does not answer, in a row
_BUSY = 2  # files that a host has no time for, in a row
_FIRST = timedelta(seconds=30)
_STEP = timedelta(minutes=5)  # without a refusal: one connection more
_MOST_DOUBLINGS = 10


class Way(NamedTuple):
    """Where an account downloads from; `host` with its port, where the link names one."""

    account: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The host refused `by` at that moment, while `most` others were on the way to it."""

    most: int
    at: datetime
    by: Hashable


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """`against` and `busy` are since bytes came last.

    Files that are `forbidden` it refuses by themselves. It failed for the `excused` ones and then served
    others: that they fail says nothing of the host.
    """

    against: tuple[tuple[Hashable, bool], ...] = ()  # files it failed for, and whether it answered
    trouble: OpenCircuit | None = None
    busy: frozenset[Hashable] = frozenset()
    refusals: int = 0  # for being busy, while nothing else was on the way
    until: datetime | None = None  # it asked for so much time
    limit: Limit | None = None
    forbidden: frozenset[Hashable] = frozenset()
    excused: frozenset[Hashable] = frozenset()

    @property
    def doubted(self) -> bool:
        """One download at a time tries it."""
        return self.trouble is not None or self.until is not None

    def holds(self, now: datetime) -> datetime | None:
        """Until when nobody asks it; what was set by another clock does not count."""
        moments = (self.until, self.trouble and self.trouble.until)
        return max((at for at in moments if at and now < at <= now + LONGEST), default=None)

    def takes(self, now: datetime) -> int | None:
        """How many connections at once; None where it never refused one."""
        if self.limit is None:
            return None
        return self.limit.most + max(0, (now - self.limit.at) // _STEP)


def host_of(url: str) -> str:
    """The host of a link, with its port where it is named; "" where there is none."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def after_bytes(host: Host, file: Hashable) -> Host:
    """Bytes came: its limit is still known, and whose own trouble the failures were."""
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
    """It failed for this file before a new byte came. A file counts once, unless it was not even reached.

    Nobody waits longer than `slowest`; `spread` in [0, 1) is the jitter's draw.
    """
    if reached and file in host.excused:
        return host
    seen = reached and (file, True) in host.against
    against = host.against if seen else (*host.against[-ENOUGH:], (file, reached))
    if host.trouble is None and len(against) < ENOUGH:
        return replace(host, against=against)
    failure = AccountFailure(refused=False, reason=reason)
    trouble = record_failure(host.trouble, failure, now, first=_FIRST, gentle=False, spread=spread)
    trouble = replace(trouble, until=min(trouble.until, now + slowest))
    return replace(host, against=against, trouble=trouble)


def after_refusal(host: Host, file: Hashable, wait: timedelta, now: datetime, others: int) -> Host:
    """It has no time for this file while so many `others` are on the way, and asks for `wait`.

    That alone says only how many it takes. Where nothing else comes, a second file that it has no time for
    makes all of them wait.
    """
    host = replace(host, limit=Limit(most=max(1, others), at=now, by=file))
    if others:
        return host
    host = replace(host, busy=host.busy | {file}, refusals=host.refusals + 1)
    return replace(host, until=now + wait) if len(host.busy) >= _BUSY else host


def after_forbidden(host: Host, file: Hashable) -> Host:
    """It refuses this file although nothing else is on the way: that was no lack of connections before."""
    by_it = host.limit is not None and host.limit.by == file
    return replace(host, forbidden=host.forbidden | {file}, limit=None if by_it else host.limit)


def wait_said(host: Host, said: timedelta) -> timedelta:
    """As long as it asks for; where that is next to nothing, twice as long each time it refuses again."""
    doubled: timedelta = said * 2 ** min(host.refusals, _MOST_DOUBLINGS)
    return max(said, min(_FIRST, doubled))


def wait_unsaid(host: Host, slowest: timedelta) -> timedelta:
    """How long it is left alone where it says that it is busy and not until when."""
    pause: timedelta = _FIRST * 2 ** min(host.refusals, _MOST_DOUBLINGS)
    return min(SLOWEST, slowest, pause)
