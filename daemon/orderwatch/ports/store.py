"""The database, as the workers know it. Times are aware and in UTC."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from orderwatch.core.deliveries.hosts import Way
from orderwatch.core.deliveries.state_machine import DeliveryUpdate
from orderwatch.core.model import Delivery, DeliveryState, Order
from orderwatch.core.ordering.intent import Budget, Intent
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.watches import OrderTraits


class AccountState(NamedTuple):
    """What is kept of an account: when its last whole list was read, and its trouble if there is any."""

    listed_at: datetime | None
    trouble: OpenCircuit | None


class Store(Protocol):
    """The one door to the database. Every writing call is one transaction. Raises `StaleOrderError`."""

    async def order(self, account: str, task_id: int) -> Order | None: ...

    async def orders_of(self, account: str, task_ids: Collection[int]) -> dict[int, Order]:
        """Those of these orders of the account that are known."""
        ...

    async def watchable(
        self, account: str, due_by: datetime | None, beyond: datetime | None = None
    ) -> Sequence[OrderTraits]:
        """Orders of the account whose next look has come, soonest first; without a time, all not done.

        A look planned later than `beyond` was planned by a wrong clock, and has come too.
        """
        ...

    async def has_ours(self, account: str) -> bool:
        """Whether orders placed from here are open."""
        ...

    async def unknown(self, account: str, task_ids: Collection[int]) -> Collection[int]:
        """Those of these ids that no order of the account has."""
        ...

    async def accounts(self) -> dict[str, AccountState]:
        """What is known of each account that was ever asked."""
        ...

    async def lags(self, newest: int) -> Sequence[tuple[str | None, timedelta]]:
        """From taken to published, by product, of the captures that were published under our eyes."""
        ...

    async def deliveries(self, *states: DeliveryState) -> Sequence[Delivery]:
        """Deliveries in these states, oldest first."""
        ...

    async def versions(self, delivery: Delivery) -> Sequence[Delivery]:
        """Every version of the same attachment, this one too."""
        ...

    async def apply(self, verdict: Verdict) -> None:
        """Write the order, its new history and todo; compare-and-set on the order's version."""
        ...

    async def intents(self, account: str | None = None, *, unsettled: bool = False) -> Sequence[Intent]:
        """What was ever meant to be ordered, oldest first; or only what nobody knows the end of."""
        ...

    async def intend(self, intent: Intent, now: datetime, budget: Budget | None = None) -> Intent | None:
        """Write down what is about to be ordered, with its number; None where that exceeds the budget."""
        ...

    async def keep(self, before: Intent, after: Intent) -> None:
        """How far an intent came."""
        ...

    async def settle(self, before: Intent, after: Intent, verdict: Verdict) -> None:
        """An intent with the order that became of it, in one transaction."""
        ...

    async def apply_all(self, verdicts: Collection[Verdict]) -> None:
        """All or none of them, in one transaction."""
        ...

    async def swept(self, account: str, now: datetime, listed: Collection[int]) -> Collection[int]:
        """A whole list showed these orders; returns those now lacking, which become due."""
        ...

    async def troubled(self, account: str, trouble: OpenCircuit | None) -> None:
        """Keep the account's trouble over restarts; None where it is over."""
        ...

    async def bring_forward(self, now: datetime, by: timedelta) -> None:
        """The clock was set back by so much, to `now`: what is planned later comes so much sooner by it."""
        ...

    async def claim(
        self,
        now: datetime,
        accounts: Collection[str],
        beyond: datetime | None = None,
        rooms: Mapping[str | None, int | None] | None = None,
        *,
        resting: Collection[Way] = (),
        doubted: Collection[Way] = (),
    ) -> Delivery | None:
        """Take the delivery whose turn it is of those that may be fetched now, and mark it as being fetched.

        A pause that ends later than `beyond` was set by a wrong clock, and is over. What is parked must fit:
        `rooms` are the bytes that may be written below each root, None where nothing may. Nothing is taken
        whose host rests. From a doubted one, whichever was tried least goes before all others.
        """
        ...

    async def record(self, move: DeliveryUpdate) -> None:
        """Write one delivery with its move."""
        ...

    async def checkpoint(self, delivery: Delivery, durable: int) -> None:
        """So many bytes of the partial survive a power cut; `delivery` says of which file."""
        ...

    async def reserve(self, delivery: Delivery, path: str | None, root: str | None = None) -> bool:
        """Take a path for a delivery, or give its path back; False where another delivery has it."""
        ...

    async def volume(self, root: str) -> str | None:
        """What the marker of the tree at this root said when it was first used."""
        ...

    async def remember_volume(self, root: str, volume: str) -> None: ...


class Upkeep(Protocol):
    """What the store does for whoever looks after rows and files."""

    async def order(self, account: str, task_id: int) -> Order | None: ...

    async def forget(self, before: datetime, most: int) -> int:
        """Of orders done whose end was seen before then: history and document. Returns of how many."""
        ...

    async def longest_unread(
        self, roots: Collection[str | None], before: datetime, most: int
    ) -> Sequence[Delivery]:
        """Stored files below these roots that were not read since then, the one read longest ago first."""
        ...

    async def read_since(self, since: datetime) -> int:
        """Bytes of the stored files that were read again since then."""
        ...

    async def was_read(self, delivery: Delivery, at: datetime) -> None:
        """Its file was looked at, and is not damaged."""
        ...


class Backup(NamedTuple):
    path: Path
    size: int  # bytes


class Backups(Protocol):
    """The backups of the database, of which so many are kept. Raises `DatabaseError`."""

    keep: int

    def newest(self) -> datetime | None:
        """When the newest was made."""
        ...

    async def make(self, now: datetime) -> Backup: ...
