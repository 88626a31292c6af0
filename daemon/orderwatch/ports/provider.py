"""The provider, as the workers know it. Times are aware and in UTC."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from orderwatch.core.deliveries.checksum import Checksum
from orderwatch.core.deliveries.promise import Promise
from orderwatch.core.model import Capture, Delivery, Order
from orderwatch.core.ordering.feasibility import Feasibility
from orderwatch.core.ordering.request import Product
from orderwatch.core.orders.snapshot import CaptureSnapshot, OrderSnapshot, SceneSnapshot

Check = Callable[[], object]
"""Raises if the caller may not go on."""


class ListedRow(NamedTuple):
    """One row of the list: equal marks are equal rows. `read` parses it; None if it cannot be read."""

    mark: int
    read: Callable[[], OrderSnapshot | None]


class ListPage(NamedTuple):
    """`total` is the provider's count of all orders, None if it sends none.

    It includes orders that are no taskings, of which the page had `left_out`.
    """

    rows: Sequence[ListedRow]
    total: int | None
    left_out: int = 0


class Tasking(Protocol):
    """Orders and captures of one account. Raises `ProviderError`."""

    can_cancel: bool  # whether the provider offers a way to cancel
    orders_by_sku: bool  # whether an order has a SKU instead of a product
    gives_reasons: bool  # whether an order may name the reason of its end, which the list leaves out

    async def order(self, order_id: str) -> OrderSnapshot: ...

    def listing(self) -> AsyncIterator[ListPage]:
        """Yield every order of the account, page by page; raise if a page fails."""
        ...

    def captures(self, order_id: str) -> AsyncIterator[CaptureSnapshot]:
        """Yield every capture of an order, of all pages; raise if a page fails.

        `LeftOutError` at the end if some cannot be read.
        """
        ...

    async def expect(self, order_ids: Collection[str]) -> None:
        """Prepare to read the captures of these orders, if one request can serve several of them."""
        ...

    async def products(self) -> Sequence[Product]:
        """Return the products that can be ordered; empty with `orders_by_sku`."""
        ...

    async def feasibility(self, body: Mapping[str, object]) -> Feasibility:
        """Return whether an order could be carried out; places nothing."""
        ...

    async def place(self, body: Mapping[str, object], before_send: Check = bool) -> OrderSnapshot:
        """Send one order, once; return it as the provider accepted it.

        `before_send` runs last, when the connection is open; if it raises, nothing is sent.
        `UnclearError` if it may have been accepted, `RejectedError` if the provider rejected it. Every other
        `ProviderError` means that nothing was placed.
        """
        ...

    async def cancel(self, order_id: str) -> OrderSnapshot:
        """Request once to cancel an order; raises as `place`, and `MissingError` for an unknown order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One attachment as the archive offers it.

    `url` and `headers` are valid for one attempt and never stored. If it is not `is_fresh`, it comes from an
    answer to an earlier call, and may have expired since. `headers` are the account's, for the link's own
    origin; after `on_refused` the next offer may have others. `size` (bytes), `checksum` and `media_type` are
    None if unknown.
    """

    file_name: str
    fingerprint: str
    url: str = field(repr=False)
    is_fresh: bool = True
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    on_refused: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)
    size: int | None = None
    checksum: Checksum | None = None
    media_type: str | None = None

    @property
    def promise(self) -> Promise:
        """What the file has to match."""
        return Promise(media_type=self.media_type, size=self.size, checksum=self.checksum)


class Archive(Protocol):
    """Scenes of published captures of one account. Raises `ProviderError`."""

    async def scenes(self, order: Order, capture: Capture) -> Sequence[SceneSnapshot]: ...

    async def offer(self, order: Order, delivery: Delivery) -> Offer:
        """Return a link that was not given out before; `MissingError` if the scene does not offer it."""
        ...
