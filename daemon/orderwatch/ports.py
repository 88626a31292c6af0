"""What the workers need of the world, as small protocols. Times are aware and in UTC."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from orderwatch.core.breaker import Trouble
from orderwatch.core.delivery import Move
from orderwatch.core.intent import Budget, Intent
from orderwatch.core.machine import Verdict
from orderwatch.core.model import Delivery, DeliveryState, Order
from orderwatch.core.product import Product
from orderwatch.core.seen import SeenCapture, SeenOrder, SeenScene
from orderwatch.core.watching import Traits


class ListedRow(NamedTuple):
    """One row of the list: equal marks are equal rows. `read` parses it; None where it cannot be read."""

    mark: int
    read: Callable[[], SeenOrder | None]


class ListPage(NamedTuple):
    """`total` is how many orders the provider says there are, None where it does not."""

    rows: Sequence[ListedRow]
    total: int | None


class Tasking(Protocol):
    """Orders and captures of one account. Raises `ProviderError`."""

    async def order(self, task_id: int) -> SeenOrder: ...

    def listing(self) -> AsyncIterator[ListPage]:
        """Every order of the account, page after page; raises where a page fails."""
        ...

    def captures(self, task_id: int) -> AsyncIterator[SeenCapture]:
        """Every capture of an order, all pages; raises where a page fails."""
        ...

    async def products(self) -> Sequence[Product]:
        """What may be ordered."""
        ...

    async def place(self, body: Mapping[str, object]) -> SeenOrder:
        """Send one order, once; returns it as the provider took it.

        `UnclearError` where it may have been taken, `RejectedError` where the provider says no. Every other
        `ProviderError` means that nothing was placed.
        """
        ...

    async def cancel(self, task_id: int) -> SeenOrder:
        """Ask once that an order be cancelled; raises as `place`, and `MissingError` where there is none."""
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


# So many bytes from the first one on are durable, and so many in all.
Checkpoint = Callable[[int, int], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What the server said before the first byte, frozen with the partial; `total` in bytes if known.

    Of the file the first `offset` bytes are there, and `held` in all.
    """

    offset: int
    held: int
    total: int | None
    validator: str | None


class Fetched(NamedTuple):
    """A partial with every byte that was announced: its size in bytes, and the sha256 of what was written."""

    size: int
    sha256: str


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
        unless: str | None = None,
    ) -> Fetched | None:
        """Continue the partial named `part` from what of it is durable, to its end.

        None where the server says that its bytes are those of the validator `unless`: nothing is fetched.

        `started` is awaited once before the first byte, `checkpoint` after each stretch became durable; of
        what came last not all needs to be, when this returns.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A partial that was read back whole and found sound."""

    size: int
    sha256: str


class Extracted(NamedTuple):
    """A folder, relative to the root, that holds so many files of a zip."""

    folder: str
    files: int


class Destination(Protocol):
    """The delivery tree and its staging folder, on one file system. Raises `DiskError`, `BadBytesError`."""

    def free(self) -> int:
        """Bytes that may still be written."""
        ...

    def occupied(self, part: str) -> int:
        """Bytes that the partial takes up already."""
        ...

    async def volume(self) -> str | None:
        """What the marker of the tree says, None where there is none; `DiskError` where it is read-only."""
        ...

    async def mark(self) -> str:
        """Mark the tree, unless it is marked, so that it is known again; returns what the marker says."""
        ...

    async def prepare(self) -> None:
        """Make the staging folders and prove that the file system can do what publishing needs."""
        ...

    async def verify(self, part: str, delivery: Delivery, sha256: str | None = None) -> Checked:
        """Make the partial durable and check it as what it is; `sha256` if it was made while it came."""
        ...

    async def publish(
        self, part: str, path: str, sidecar: bytes, checked: Checked, *, resumed: bool = False
    ) -> bool:
        """Give the partial its final name with the sidecar beside it; False where the name is another file's.

        Safe to repeat after a crash (`resumed`): True where the very bytes stand there, or stood there.
        """
        ...

    async def holds(self, path: str, checked: Checked) -> bool:
        """Whether the very bytes stand under this name already."""
        ...

    async def needed(self, part: str, path: str) -> int:
        """Bytes that extracting the partial, or the file under this name, will write.

        `NotExtractedError` where it will not be extracted.
        """
        ...

    async def extract(self, part: str, path: str, wrote: Callable[[int], object]) -> Extracted:
        """Unpack it into a folder beside its name; `wrote` is called from a thread as bytes are written.

        Safe to repeat: a folder that holds its members already counts.
        """
        ...

    async def quarantine(self, part: str, reason: str) -> str:
        """Set the partial aside with the reason beside it; returns the sha256 of its bytes."""
        ...

    async def discard(self, part: str) -> None: ...

    async def sweep(self, keep: Collection[str]) -> int:
        """Remove partials that no row knows; returns how many."""
        ...


class AccountState(NamedTuple):
    """What is kept of an account: when its last whole list was read, and its trouble if there is any."""

    listed_at: datetime | None
    trouble: Trouble | None


class Store(Protocol):
    """The one door to the database. Every writing call is one transaction. Raises `StaleOrderError`."""

    async def order(self, account: str, task_id: int) -> Order | None: ...

    async def orders_of(self, account: str, task_ids: Collection[int]) -> dict[int, Order]:
        """Those of these orders of the account that are known."""
        ...

    async def watchable(
        self, account: str, due_by: datetime | None, beyond: datetime | None = None
    ) -> Sequence[Traits]:
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

    async def troubled(self, account: str, trouble: Trouble | None) -> None:
        """Keep the account's trouble over restarts; None where it is over."""
        ...

    async def claim(
        self,
        now: datetime,
        accounts: Collection[str],
        beyond: datetime | None = None,
        rooms: Mapping[str | None, int | None] | None = None,
    ) -> Delivery | None:
        """Take the delivery whose turn it is of those that may be fetched now, and mark it as being fetched.

        A pause that ends later than `beyond` was set by a wrong clock, and is over. What is parked must fit:
        `rooms` are the bytes that may be written below each root, None where nothing may.
        """
        ...

    async def record(self, move: Move) -> None:
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
