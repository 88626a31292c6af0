"""Commands that download beside the daemons: one that was killed leaves its row, which no host returns to."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from orderwatch.core.cluster.hosts import Host, is_live
from orderwatch.ports import Hosts


async def forget_visitors(hosts: Hosts, found: Iterable[Host], at: datetime, lease: timedelta) -> list[Host]:
    """Remove the rows of commands whose lease is over; return the other hosts. Raises `DatabaseError`."""
    left = []
    for host in found:
        if host.is_visitor and not is_live(host, at, lease):
            await hosts.leave(host.boot)
        else:
            left.append(host)
    return left
