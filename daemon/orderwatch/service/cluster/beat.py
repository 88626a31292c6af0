"""The beat: each quarter of a lease this host shows that it lives, and renews its leases and shifts.

Nobody looks whether the only host of a file lives, since it holds a lock: while it idles it writes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

import structlog

from orderwatch.core.cluster.hosts import Host
from orderwatch.core.model import Claim
from orderwatch.errors import DatabaseError
from orderwatch.ports import Deliveries, Hosts
from orderwatch.service.cluster.own_lease import OwnLease
from orderwatch.service.cluster.roster import Roster

log = structlog.get_logger()

_BEATS_PER_LEASE = 4


class Beat:
    """`me` returns this host under the plan in effect."""

    def __init__(
        self,
        hosts: Hosts,
        deliveries: Deliveries,
        me: Callable[[], Host],
        lease: OwnLease,
        roster: Roster,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._hosts = hosts
        self._deliveries = deliveries
        self._me = me
        self._lease = lease
        self._roster = roster
        self._now = now
        self._shown: Host | None = None
        self._suspects: frozenset[Claim] = frozenset()  # nobody worked on them at the last beat
        self._sleep = sleep

    async def run(self) -> None:
        """Beat forever."""
        while True:
            await self._sleep(self._lease.length.total_seconds() / _BEATS_PER_LEASE)
            try:
                await self.beat()
            except DatabaseError as error:
                log.debug("host.beat_failed", reason=str(error))

    async def beat(self) -> None:
        """Beat once. Raises `DatabaseError`."""
        began_at, now = self._lease.steady(), self._now()
        if not self._lease.is_sound:  # after a pause other hosts may have taken over
            await self._deliveries.hand_over(now)
        abandoned = self._suspects - self._lease.claims
        _, renewal, _ = await asyncio.gather(  # in one transaction
            self._show(now),
            self._deliveries.renew(now, lease=self._lease.length, abandoned=abandoned),
            self._roster.renew(),
        )
        self._suspects = renewal.held - self._lease.claims
        if renewal.released:
            log.info("recovery.done", released=renewal.released)
        self._lease.renew(began_at)
        self._roster.renewed.trigger()

    async def _show(self, now: datetime) -> None:
        me = replace(self._me(), seen_at=now)
        if self._lease.is_shared or self._shown is None or me != replace(self._shown, seen_at=now):
            await self._hosts.beat(me)
            self._shown = me
