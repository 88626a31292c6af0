"""Joins this host to those that share a database: its row, its beat, its shifts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from orderwatch.app.daemon.resources import Resources
from orderwatch.app.daemon.supervisor import Work
from orderwatch.app.daemon.this_host import this_host
from orderwatch.db.cluster.wakeups import run_on_wakeup
from orderwatch.errors import DatabaseError
from orderwatch.service.cluster.beat import Beat
from orderwatch.service.cluster.own_lease import OwnLease
from orderwatch.service.cluster.roster import SharedRoster, SoleRoster


class Membership(NamedTuple):
    """The resources of a host, and its workers that no configuration changes."""

    resources: Resources
    works: Sequence[Work]


@asynccontextmanager
async def joined(resources: Resources, *, shared: bool) -> AsyncIterator[Membership]:
    """Beat once, and leave at the end, so that other hosts take over at once.

    Unless the database is `shared` with other hosts, this one holds every shift.
    """
    store, boot, now = resources.store, resources.store.boot, resources.clock.now
    lease = OwnLease(resources.dashboard.plan.settings.cluster.lease, shared=shared)
    roster = SharedRoster(store.shifts, boot, lease, now=now) if shared else SoleRoster()
    beat = Beat(store.hosts, store.deliveries, lambda: this_host(resources, boot), lease, roster, now=now)
    await beat.beat()
    waking = partial(run_on_wakeup, resources.database, resources.fetch_wakeup.trigger)
    watching = [partial(lease.watch, roster.renewed.trigger), waking] if shared else []
    try:
        yield Membership(replace(resources, lease=lease, roster=roster), [beat.run, *watching])
    finally:
        with suppress(DatabaseError):  # the lease ends by itself
            await store.hosts.leave(boot)
