"""Shifts: work that exactly one host does at a time. Times are aware and in UTC."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol


class Duty(NamedTuple):
    """The shifts that a host holds, with their fences, and those that it is to give to another host."""

    held: Mapping[str, int]
    give: Mapping[str, str | None]


class Shifts(Protocol):
    """Who holds what. `boot` is the present process of a host. Raises `DatabaseError`."""

    async def renew(self, boot: str, lease: timedelta, now: datetime) -> Duty:
        """Renew the leases of this host's shifts, and take what is free and its part."""
        ...

    async def give(
        self, boot: str, shifts: Mapping[str, str | None], lease: timedelta, now: datetime
    ) -> None:
        """Give shifts to other hosts, or to nobody; the work under them has stopped."""
        ...

    async def claim(self, name: str, owner: str, lease: timedelta, now: datetime) -> int | None:
        """Take one shift, for any process, if its lease is over; return its fence, None if it is held."""
        ...

    async def extend(self, name: str, owner: str, lease: timedelta, now: datetime) -> bool:
        """Renew the lease of a claimed shift, if this owner still holds it; return whether it does."""
        ...

    async def release(self, name: str, owner: str) -> None:
        """End the lease of a claimed shift at once."""
        ...

    async def holders(self) -> Mapping[str, str]:
        """Return the name of the host that holds each shift."""
        ...
