"""The provider, as the workers know it. Times are aware and in UTC."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from orderwatch.core.deliveries.checksum import Checksum
from orderwatch.core.ordering.feasibility import Feasibility
from orderwatch.core.ordering.request import Product
from orderwatch.core.orders.snapshot import CaptureSnapshot, OrderSnapshot, SceneSnapshot


class ListedRow(NamedTuple):
    """One row of the list: equal marks are equal rows. `read` parses it; None if it cannot be read."""

    mark: int
    read: Callable[[], OrderSnapshot | None]


class ListPage(NamedTuple):
    """`total` is the provider's count of all orders, None if it sends none."""

    rows: Sequence[ListedRow]
    total: int | None


class Tasking(Protocol):
    """Orders and captures of one account. Raises `ProviderError`.

    `orders_by_sku`: it takes orders with a SKU, and none with a product.
    """

    orders_by_sku: bool

    async def order(self, task_id: int) -> OrderSnapshot: ...

    def listing(self) -> AsyncIterator[ListPage]:
        """Yield every order of the account, page by page; raise if a page fails."""
        ...

    def captures(self, task_id: int) -> AsyncIterator[CaptureSnapshot]:
        """Yield every capture of an order, of all pages; raise if a page fails.

        `LeftOutError` at the end if some cannot be read.
        """
        ...

    async def products(self) -> Sequence[Product]:
        """Return the products that can be ordered; empty with `orders_by_sku`."""
        ...

    async def feasibility(self, body: Mapping[str, object]) -> Feasibility:
        """Return whether an order could be carried out; places nothing."""
        ...

    async def place(self, body: Mapping[str, object]) -> OrderSnapshot:
        """Send one order, once; return it as the provider accepted it.

        `UnclearError` if it may have been accepted, `RejectedError` if the provider rejected it. Every other
        `ProviderError` means that nothing was placed.
        """
        ...

    async def cancel(self, task_id: int) -> OrderSnapshot:
        """Request once to cancel an order; raises as `place`, and `MissingError` for an unknown order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One attachment as the archive offers it. `url` is valid for one attempt and never stored.

    If it is not `is_fresh`, it comes from an answer to an earlier call, and may have expired since.
    `headers` are the account's, only for its own API; a redirect to another origin drops them.
    """

    file_name: str
    fingerprint: str
    url: str = field(repr=False)
    is_fresh: bool = True
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    size: int | None = None
    checksum: Checksum | None = None
    media_type: str | None = None


class Archive(Protocol):
    """Scenes of published captures of one account. Raises `ProviderError`."""

    async def scenes(self, capture_id: str) -> Sequence[SceneSnapshot]: ...

    async def offer(self, capture_id: str, scene_id: str, attachment: str) -> Offer:
        """Return a link that was not given out before; `MissingError` if the scene does not offer it."""
        ...
