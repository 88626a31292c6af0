"""The hosts that run on the database of one plan."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from orderwatch.app.plan import Plan
from orderwatch.core.cluster.hosts import HostReport, HostState, is_live
from orderwatch.db.daemon_status import read_daemon_status
from orderwatch.db.repositories import Store, open_reader, open_store


async def read_hosts(plan: Plan, now: datetime) -> Sequence[HostReport]:
    """Return what each host does; a file's only daemon runs if it holds its lock."""
    async with open_reader(plan.database.location) as reader:
        return await reports_of(plan, reader, now)


async def reports_of(plan: Plan, store: Store, now: datetime) -> Sequence[HostReport]:
    """Return what each host does, read from this store."""
    found = await store.hosts.reports(plan.settings.cluster.lease, now)
    if plan.database.is_shared or read_daemon_status(plan.database.location).running:
        return found
    return [replace(host, state=HostState.GONE) for host in found]


async def forget_host(plan: Plan, name: str, now: datetime) -> bool:
    """Remove the row of a host that is gone; return whether it was one."""
    async with open_store(plan.database.location) as store:
        found, at = await store.hosts.list_all(now)
        gone = [host for host in found if not is_live(host, at, plan.settings.cluster.lease)]
        return name in {host.host for host in gone} and await store.hosts.forget(name)
