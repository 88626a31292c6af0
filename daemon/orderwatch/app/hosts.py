"""The hosts that run on the database of one plan."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from orderwatch.app.plan import Plan
from orderwatch.core.cluster.hosts import HostReport, HostState
from orderwatch.db.daemon_status import read_daemon_status
from orderwatch.db.repositories import Store, open_reader, open_store


async def read_hosts(plan: Plan, now: datetime) -> Sequence[HostReport]:
    """Return what each host does; a file's only daemon runs if it holds its lock."""
    async with open_reader(plan.database.location) as reader:
        return await reports_of(plan, reader, now)


async def reports_of(plan: Plan, store: Store, now: datetime) -> Sequence[HostReport]:
    """Return what each host does, read from this store."""
    found = await store.hosts.reports(plan.lives_for, now)
    if plan.database.is_shared:
        return found
    status = read_daemon_status(plan.database.location)
    state = HostState.RUNNING if status.running else HostState.GONE
    return [replace(host, state=state, seen_at=status.last_alive_at or host.seen_at) for host in found]


async def forget_host(plan: Plan, name: str, now: datetime) -> bool:
    """Remove the row of a host that is gone; return whether it was one."""
    async with open_store(plan.database.location) as store:
        found = await reports_of(plan, store, now)
        gone = {host.host for host in found if host.state is HostState.GONE}
        return name in gone and await store.hosts.forget(name)
