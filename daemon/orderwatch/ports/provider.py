"""The provider, as the workers know it. Times are aware and in UTC."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from orderwatch.core.ordering.request import Product
from orderwatch.core.orders.snapshot import CaptureSnapshot, OrderSnapshot, SceneSnapshot


class ListedRow(NamedTuple):
    """One row of the list: equal marks are equal rows. `read` parses it; None where it cannot be read."""

    mark: int
    read: Callable[[], OrderSnapshot | None]


class ListPage(NamedTuple):
    """`total` is how many orders the provider says there are, None where it does not."""

    rows: Sequence[ListedRow]
    total: int | None


class Tasking(Protocol):
    """Orders and captures of one account. Raises `ProviderError`."""

    async def order(self, task_id: int) -> OrderSnapshot: ...

    def listing(self) -> AsyncIterator[ListPage]:
        """Every order of the account, page after page; raises where a page fails."""
        ...

    def captures(self, task_id: int) -> AsyncIterator[CaptureSnapshot]:
        """Every capture of an order, all pages; raises where a page fails.

        `LeftOutError` in the end where one cannot be read.
        """
        ...

    async def products(self) -> Sequence[Product]:
        """What may be ordered."""
        ...

    async def place(self, body: Mapping[str, object]) -> OrderSnapshot:
        """Send one order, once; returns it as the provider took it.

        `UnclearError` where it may have been taken, `RejectedError` where the provider says no. Every other
        `ProviderError` means that nothing was placed.
        """
        ...

    async def cancel(self, task_id: int) -> OrderSnapshot:
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

    async def scenes(self, capture_id: str) -> Sequence[SceneSnapshot]: ...

    async def offer(self, capture_id: str, scene_id: str, attachment: str) -> Offer:
        """A fresh link; `MissingError` where the scene does not offer the attachment."""
        ...
