"""The hosts that run on one database. Times are aware and in UTC."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from orderwatch.core.cluster.hosts import Host, HostReport


class Hosts(Protocol):
    """One row for each host, renewed at each beat. Raises `DatabaseError`."""

    async def beat(self, host: Host) -> None:
        """Write the host's row; a new boot replaces that of its former process."""
        ...

    async def leave(self, boot: str) -> None:
        """Remove the row: whatever this process held is free at once."""
        ...

    async def forget(self, host: str) -> bool:
        """Remove the row of a host that is gone for good; return whether there was one."""
        ...

    async def list_all(self, now: datetime) -> tuple[Sequence[Host], datetime]:
        """Return every host by name, and the time by the clock that they beat with."""
        ...

    async def reports(self, lease: timedelta, now: datetime) -> Sequence[HostReport]:
        """Return what each host does now, by name."""
        ...
