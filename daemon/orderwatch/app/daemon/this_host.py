"""What other hosts on the database see of this process."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import orderwatch
from orderwatch.app.daemon.resources import Resources
from orderwatch.app.plan import Plan
from orderwatch.core.cluster.hosts import Host
from orderwatch.errors import DatabaseError
from orderwatch.service.cluster.beat import Beat
from orderwatch.service.cluster.own_lease import OwnLease
from orderwatch.service.cluster.roster import Roster, SoleRoster
from orderwatch.service.cluster.visitors import forget_visitors


@asynccontextmanager
async def visiting(resources: Resources, *, shared: bool) -> AsyncIterator[Resources]:
    """Beat beside the daemons, for a command that downloads; return its resources. It holds no shifts."""
    store = resources.store
    if not shared:
        await store.deliveries.renew(resources.clock.now())
        yield resources
        return
    lease = OwnLease(resources.dashboard.plan.settings.cluster.lease)
    me = replace(this_host(resources), accounts=(), channels=())
    me = replace(me, host=f"{me.host} (command {os.getpid()})")
    found, at = await store.hosts.list_all(me.seen_at)
    await forget_visitors(store.hosts, found, at, lease.length)
    async with seen(resources, lambda: me, lease, SoleRoster()) as beat:
        beating = asyncio.create_task(beat.run())
        try:
            yield replace(resources, lease=lease)
        finally:
            beating.cancel()


@asynccontextmanager
async def seen(
    resources: Resources, me: Callable[[], Host], lease: OwnLease, roster: Roster
) -> AsyncIterator[Beat]:
    """Beat once, and yield the beat to run; leave at the end, so that other hosts take over at once."""
    store = resources.store
    beat = Beat(store.hosts, store.deliveries, me, lease, roster, now=resources.clock.now)
    await beat.beat()
    try:
        yield beat
    finally:
        # The lease ends by itself. A stop does not wait for a database that is away: its unit is cancelled.
        with suppress(DatabaseError, asyncio.CancelledError):
            await store.hosts.leave(store.boot)


def this_host(resources: Resources) -> Host:
    """Return this host under the plan in effect."""
    plan: Plan = resources.dashboard.plan
    return Host(
        host=plan.settings.cluster.name,
        boot=resources.store.boot,
        version=orderwatch.__version__,
        config_digest=plan.config_digest,
        seen_at=resources.clock.now(),
        accounts=sorted(plan.accounts),
        channels=sorted(plan.notifiers),
    )
