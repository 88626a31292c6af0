"""The orders as rows, and the accounts they belong to. Times are aware and in UTC."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple, Protocol

from orderwatch.core.model import Delivery, Order, OrderKey
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.watches import OrderTraits


class Detail(Enum):
    """Which deliveries of an order are read. Except with ALL, they are counted as well."""

    ALL = auto()
    LISTED = auto()  # those that are shown by name
    SCENES = auto()  # one of each scene, for its footprint
    NONE = auto()


class Orders(Protocol):
    """The known orders with their captures and deliveries. Raises `DatabaseError`."""

    async def get(self, account: str, order_id: str, detail: Detail = Detail.ALL) -> Order | None: ...

    async def of_delivery(self, delivery: Delivery) -> Order | None:
        """Return the order of a delivery with its one capture, without deliveries."""
        ...

    async def get_many(
        self, account: str, order_ids: Collection[str], detail: Detail = Detail.ALL
    ) -> dict[str, Order]:
        """Return the known ones of these orders of the account, by id."""
        ...

    async def list_all(self, name: str | None = None, detail: Detail = Detail.ALL) -> Sequence[Order]:
        """Return every order, or those with this order or task id in any account, by account and id."""
        ...

    async def watchable(
        self, account: str, due_by: datetime | None, beyond: datetime | None = None
    ) -> Sequence[OrderTraits]:
        """Return the account's orders due to be polled, soonest first; without a time, all not done.

        A poll scheduled later than `beyond` was scheduled by a wrong clock, and is due too.
        """
        ...

    async def has_any(self) -> bool:
        """Return whether any order is known, of any account."""
        ...

    async def has_ours(self, account: str) -> bool:
        """Return whether orders placed by orderwatch are open."""
        ...

    async def unknown(self, account: str, keys: Collection[OrderKey]) -> Collection[OrderKey]:
        """Return those of these keys that no order of the account has."""
        ...

    async def adopt(self, account: str, keys: Collection[OrderKey]) -> bool:
        """Give known orders the ids that another API has for their tasks; return whether there was one.

        An order that both APIs of the provider show is one order, with one history.
        """
        ...

    async def save(self, verdict: Verdict) -> None:
        """Write the order, its transitions and its queued deliveries in one transaction.

        Raises `StaleOrderError` if the order was written since it was read.
        """
        ...

    async def save_all(self, verdicts: Collection[Verdict]) -> None:
        """Write all or none of them, in one transaction; raises as `save`."""
        ...


class AccountState(NamedTuple):
    """When an account's complete list was read last, and its failure while its circuit breaker is open.

    `swept_at` is the time of the last good sweep, recorded if there are several hosts.
    """

    listed_at: datetime | None
    trouble: OpenCircuit | None
    swept_at: datetime | None = None


class Accounts(Protocol):
    """What is kept of the accounts over restarts. Raises `DatabaseError`."""

    async def states(self) -> Mapping[str, AccountState]:
        """Return the state of every account that was ever polled, by name."""
        ...

    async def save_circuit(self, account: str, circuit: OpenCircuit | None) -> None:
        """Write the account's open circuit breaker; None once it is closed."""
        ...

    async def mark_swept(self, account: str, now: datetime) -> None:
        """Record a good sweep over the account."""
        ...

    async def mark_listed(self, account: str, now: datetime, listed: Collection[str]) -> Collection[str]:
        """Record which orders the account's complete list showed; return those that vanished from it.

        These become due to be polled, unless so many vanished that the list is doubtful.
        """
        ...
