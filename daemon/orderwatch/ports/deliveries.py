"""The deliveries as rows: the queue of what is to be fetched, and where the files are."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from orderwatch.core.deliveries.hosts import HostKey
from orderwatch.core.deliveries.state_machine import DeliveryUpdate
from orderwatch.core.model import Claim, Delivery, DeliveryState

LEASE = timedelta(seconds=30)
"""For how long a claim lasts unless it is renewed."""


class Renewal(NamedTuple):
    """How many deliveries were queued again, and which ones this process fetches."""

    released: int
    held: frozenset[Claim]


class Deliveries(Protocol):
    """The deliveries of every order, and the volumes of the roots. Raises `DatabaseError`.

    Each claim has a lease and a fence. When the lease is over, another process may claim the delivery; from
    then on every write that has the former fence raises `StaleOrderError`.
    """

    async def in_states(self, *states: DeliveryState, account: str | None = None) -> Sequence[Delivery]:
        """Return the deliveries in these states, oldest first, of one account or of all."""
        ...

    async def hosts(self) -> Sequence[str]:
        """Return the hosts of the last links, each with its port if the link had one."""
        ...

    async def versions(self, delivery: Delivery) -> Sequence[Delivery]:
        """Return every version of the same attachment, this one included, oldest first."""
        ...

    async def versions_of(
        self, account: str, order_id: str, capture_id: str, scene_id: str, attachment: str
    ) -> Sequence[Delivery]:
        """Return every version of an attachment, oldest first."""
        ...

    async def pictures(self, account: str, order_id: str, limit: int) -> Sequence[Delivery]:
        """Return the first stored pictures of an order, at most `limit` of a capture."""
        ...

    async def claim(
        self,
        now: datetime,
        accounts: Collection[str],
        beyond: datetime | None = None,
        rooms: Mapping[str | None, int | None] | None = None,
        *,
        resting: Collection[HostKey] = (),
        doubted: Collection[HostKey] = (),
        lease: timedelta = LEASE,
    ) -> Delivery | None:
        """Take the next delivery that may be fetched now and mark it as being fetched; None if there is none.

        Deliveries whose lease is over are queued again first.

        A backoff that ends later than `beyond` was set by a wrong clock, and is over. A parked delivery must
        fit: `rooms` are the bytes that may be written below each root, None if nothing may. Deliveries from
        resting hosts are skipped. Those from doubted hosts go first, the one tried least before the others.
        """
        ...

    async def claim_more(
        self,
        like: Delivery,
        now: datetime,
        attachments: Collection[str],
        limit: int,
        *,
        lease: timedelta = LEASE,
    ) -> Sequence[Delivery]:
        """Take more deliveries of the same capture that were never tried, of these attachments."""
        ...

    async def take(self, delivery: Delivery, now: datetime, *, lease: timedelta = LEASE) -> Delivery:
        """Take this delivery despite its pause; raises as `save`."""
        ...

    async def renew(
        self, now: datetime, *, lease: timedelta = LEASE, abandoned: Collection[Claim] = ()
    ) -> Renewal:
        """Renew the leases of this process; queue again what has none, and what it has abandoned."""
        ...

    async def hand_over(self, now: datetime) -> int:
        """Queue again what this process still fetches; return how many those are."""
        ...

    async def intend_all(
        self, intended: Sequence[Delivery], paths: Sequence[str], root: str | None
    ) -> Sequence[Delivery]:
        """Write the intents to publish verified bytes of first versions; return them with their paths.

        Each gets its path, or the next free name, in the same transaction.
        """
        ...

    async def save_all(self, changes: Sequence[DeliveryUpdate]) -> None:
        """Write deliveries of one order with their transitions, all or none of them; raises as `save`."""
        ...

    async def save(self, change: DeliveryUpdate) -> None:
        """Write one delivery with its transition, if it has one.

        Raises `StaleOrderError` if the row is not in the state that the transition leaves, or was claimed
        since the delivery was read.
        """
        ...

    async def intend(self, delivery: Delivery) -> Delivery | None:
        """Write the intent to publish these verified bytes.

        If another version is stored with the same bytes, return that one and write nothing.
        """
        ...

    async def checkpoint(self, delivery: Delivery, durable: int) -> None:
        """Record how many bytes of the partial survive a power cut; `delivery` says of which file."""
        ...

    async def reserve(self, delivery: Delivery, path: str | None, root: str | None = None) -> bool:
        """Reserve a path for the delivery, or release its path; False if another delivery has it."""
        ...

    async def volume(self, root: str) -> str | None:
        """Return the volume expected at the root: its marker when the root was first used."""
        ...

    async def save_volume(self, root: str, volume: str) -> None:
        """Expect this volume at the root from now on."""
        ...
