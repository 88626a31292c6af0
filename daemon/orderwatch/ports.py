"""What the workers need of the world, as small protocols. Times are aware and in UTC."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from orderwatch.core.delivery import Move
from orderwatch.core.machine import Verdict
from orderwatch.core.model import Delivery, DeliveryState, Order
from orderwatch.core.seen import SeenCapture, SeenOrder, SeenScene


class Tasking(Protocol):
    """Orders and captures of one account. Raises `ProviderError`."""

    async def order(self, task_id: int) -> SeenOrder: ...

    def orders(self) -> AsyncIterator[SeenOrder]:
        """Every order of the account, all pages, each once; raises where a page fails."""
        ...

    def captures(self, task_id: int) -> AsyncIterator[SeenCapture]:
        """Every capture of an order, all pages; raises where a page fails."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One attachment as the archive offers it now. `url` is good for one attempt and is never kept."""

    file_name: str
    fingerprint: str
    url: str


class Archive(Protocol):
    """Scenes of published captures of one account. Raises `ProviderError`."""

    async def scenes(self, capture_id: str) -> Sequence[SeenScene]: ...

    async def offer(self, capture_id: str, scene_id: str, attachment: str) -> Offer:
        """A fresh link; `MissingError` where the scene does not offer the attachment."""
        ...


Checkpoint = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What the server said before the first byte, frozen with the partial; `total` in bytes if known."""

    offset: int
    total: int | None
    validator: str | None


class Transport(Protocol):
    """Brings the bytes behind a link into a partial. Raises `TransferError`."""

    async def fetch(
        self,
        url: str,
        part: str,
        delivery: Delivery,
        *,
        started: Callable[[Start], Awaitable[None]],
        checkpoint: Checkpoint,
    ) -> int:
        """Continue the partial named `part` from `delivery.durable`; returns its whole length in bytes.

        `started` is awaited once before the first byte, `checkpoint` after each stretch became durable.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A partial that was read back whole and found sound."""

    size: int
    sha256: str


class Destination(Protocol):
    """The delivery tree and its staging folder, on one file system. Raises `DiskError`, `BadBytesError`."""

    def free(self) -> int:
        """Bytes that may still be written."""
        ...

    async def prepare(self) -> None:
        """Make the staging folders and prove that the file system can do what publishing needs."""
        ...

    async def verify(self, part: str, delivery: Delivery) -> Checked:
        """Make the partial durable, read it back, check it as what it is."""
        ...

    async def publish(
        self, part: str, path: str, sidecar: bytes, checked: Checked, *, resumed: bool = False
    ) -> bool:
        """Give the partial its final name with the sidecar beside it; False where the name is another file's.

        Safe to repeat after a crash (`resumed`): True where the very bytes stand there, or stood there.
        """
        ...

    async def quarantine(self, part: str, reason: str) -> str:
        """Set the partial aside with the reason beside it; returns the sha256 of its bytes."""
        ...

    async def discard(self, part: str) -> None: ...

    async def sweep(self, keep: Collection[str]) -> int:
        """Remove partials that no row knows; returns how many."""
        ...


class Known(NamedTuple):
    """What tells whether a known order is watched."""

    task_id: int
    project_name: str | None
    task_name: str | None


class Store(Protocol):
    """The one door to the database. Every writing call is one transaction. Raises `StaleOrderError`."""

    async def order(self, account: str, task_id: int) -> Order | None: ...

    async def watchable(self, account: str, due_by: datetime | None) -> Sequence[Known]:
        """Orders of the account whose next look has come; without a time, all that are not done."""
        ...

    async def words(self, account: str) -> dict[int, str]:
        """The last word heard of every order of the account, "lost" where the provider answers 404."""
        ...

    async def deliveries(self, *states: DeliveryState) -> Sequence[Delivery]:
        """Deliveries in these states, oldest first."""
        ...

    async def apply(self, verdict: Verdict) -> None:
        """Write the order, its new history and todo; compare-and-set on the order's version."""
        ...

    async def claim(self, now: datetime, accounts: Collection[str]) -> Delivery | None:
        """Take the oldest delivery that may be fetched now and mark it as being fetched."""
        ...

    async def record(self, move: Move) -> None:
        """Write one delivery with its move."""
        ...

    async def checkpoint(self, delivery: Delivery, durable: int) -> None:
        """So many bytes of the partial survive a power cut."""
        ...

    async def reserve(self, delivery: Delivery, path: str | None) -> bool:
        """Take a path for a delivery, or give its path back; False where another delivery has it."""
        ...
