"""What other hosts on the database see of this process."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import orderwatch
from orderwatch.app.daemon.resources import Resources
from orderwatch.app.plan import Plan
from orderwatch.core.cluster.hosts import Host
from orderwatch.errors import DatabaseError
from orderwatch.service.cluster.beat import Beat
from orderwatch.service.cluster.own_lease import OwnLease
from orderwatch.service.cluster.roster import SoleRoster


@asynccontextmanager
async def visiting(resources: Resources, *, shared: bool) -> AsyncIterator[Resources]:
    """Beat beside the daemons, for a command that downloads; return its resources. It holds no shifts."""
    store, now = resources.store, resources.clock.now
    if not shared:
        await store.deliveries.renew(now())
        yield resources
        return
    lease = OwnLease(resources.dashboard.plan.settings.cluster.lease)
    me = replace(this_host(resources, store.boot), accounts=(), channels=())
    me = replace(me, host=f"{me.host} (command {os.getpid()})")
    beat = Beat(store.hosts, store.deliveries, lambda: me, lease, SoleRoster(), now=now)
    await beat.beat()
    beating = asyncio.create_task(beat.run())
    try:
        yield replace(resources, lease=lease)
    finally:
        beating.cancel()
        with suppress(DatabaseError):  # the lease ends by itself
            await store.hosts.leave(store.boot)


def this_host(resources: Resources, boot: str) -> Host:
    """Return this host under the plan in effect."""
    plan: Plan = resources.dashboard.plan
    return Host(
        host=plan.settings.cluster.name,
        boot=boot,
        version=orderwatch.__version__,
        config_digest=plan.config_digest,
        seen_at=resources.clock.now(),
        accounts=sorted(plan.accounts),
        channels=sorted(plan.notifiers),
    )
