"""Joins this host to those that share a database: its row, its beat, its shifts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from orderwatch.app.daemon.resources import Resources
from orderwatch.app.daemon.supervisor import Work
from orderwatch.app.daemon.this_host import seen, this_host
from orderwatch.core.cluster.shifts import account_shift
from orderwatch.db.cluster.wakeups import run_on_wakeup
from orderwatch.ports import Accounts
from orderwatch.service.cluster.own_lease import OwnLease
from orderwatch.service.cluster.roster import SharedRoster, SoleRoster
from orderwatch.service.cluster.shared_sweeps import SharedSweeps


class Membership(NamedTuple):
    """The resources of a host, and its workers that no configuration changes."""

    resources: Resources
    works: Sequence[Work]


@asynccontextmanager
async def joined(resources: Resources, *, shared: bool) -> AsyncIterator[Membership]:
    """Beat once, and leave at the end.

    Unless the database is `shared` with other hosts, this one holds every shift.
    """
    store, now = resources.store, resources.clock.now
    lease = OwnLease(resources.dashboard.plan.settings.cluster.lease, shared=shared)
    roster = SharedRoster(store.shifts, store.boot, lease, now=now) if shared else SoleRoster()
    resources = replace(resources, lease=lease, roster=roster)
    if not shared:
        await _forget_others(resources)
    async with seen(resources, partial(this_host, resources), lease, roster) as beat:
        waking = partial(run_on_wakeup, resources.database, partial(_wake, resources))
        watching = [partial(lease.watch, roster.renewed.trigger), waking] if shared else []
        if shared:
            resources.sweep_log.shared = SharedSweeps(partial(_accounts_of, resources), now=now)
        yield Membership(resources, [beat.run, *watching])


def _wake(resources: Resources) -> None:
    resources.fetch_wakeup.trigger()
    resources.action_watch.noticed.trigger()


async def _forget_others(resources: Resources) -> None:
    """Forget hosts that had the file before."""
    hosts, me = resources.store.hosts, this_host(resources)
    found, _ = await hosts.list_all(me.seen_at)
    for host in found:
        if host.host != me.host:
            await hosts.forget(host.host)


def _accounts_of(resources: Resources, account: str) -> Accounts:
    return resources.store_for(account_shift(account)).accounts
