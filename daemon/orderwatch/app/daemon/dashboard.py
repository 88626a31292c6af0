"""Data of the pages and the API under the plan in effect."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from orderwatch.app.attention import concerns_of
from orderwatch.app.hosts import reports_of
from orderwatch.app.order_facts import facts_of
from orderwatch.app.plan import Plan
from orderwatch.app.trees.folder import FolderTree
from orderwatch.core.attention.attention import unacknowledged
from orderwatch.core.attention.concern import Concern
from orderwatch.core.cluster.hosts import HostReport
from orderwatch.core.deliveries.delivery_root import BucketRoot, DeliveryRoot, parse_root
from orderwatch.core.deliveries.disk_shortage import shortage
from orderwatch.core.model import Delivery, Order
from orderwatch.core.orders.explain import Evidence, Facts, explain
from orderwatch.core.orders.publication_lag import Lags
from orderwatch.db.repositories import Store
from orderwatch.errors import DiskError, StoredFileError
from orderwatch.ops.live_state import LiveState, TreeAtWork
from orderwatch.ports.dashboard import AccountSeen, Overview, TreeSeen
from orderwatch.service.polling.recorder import LagEstimator
from orderwatch.transfer.tree.stored_file import open_stored

_MAX_PICTURE_BYTES = 20_000_000


@dataclass(slots=True, kw_only=True)
class Dashboard:
    """Reads through its own connections. `swept` is the time of each account's last successful sweep.

    `plan` is the one in effect: it is set before requests are answered, and replaced by a reload.
    """

    reader: Store
    live: LiveState
    now: Callable[[], datetime]
    swept: Mapping[str, datetime]
    plan: Plan = field(init=False)
    _learned: LagEstimator = field(init=False)

    def __post_init__(self) -> None:
        self._learned = LagEstimator(self.reader.history.publication_lags, self.now)

    async def facts(self, order: Order) -> Facts:
        """Return the facts that explain an order."""
        return await facts_of(self.plan, self.reader, order, self.now(), await self.learned())

    async def learned(self) -> Lags:
        return await self._learned.refit()

    async def explain(self, order: Order) -> Sequence[Evidence]:
        """Explain the status of an order."""
        return list(explain(await self.facts(order)))

    async def picture(self, delivery: Delivery) -> bytes | None:
        """Return the bytes of a stored file, None if it cannot be read or is too large."""
        root = self._root_of(delivery)
        tree = self._tree_of(delivery) if isinstance(root, BucketRoot) else FolderTree(root)
        return await tree.picture(delivery, _MAX_PICTURE_BYTES) if tree else None

    def open_file(self, delivery: Delivery) -> BinaryIO:
        """Open a stored file of this machine; blocks. Raises `StoredFileError`."""
        root = self._root_of(delivery)
        if isinstance(root, BucketRoot):
            raise StoredFileError("the file is in a bucket")
        return open_stored(root, delivery)

    async def link(self, delivery: Delivery, method: str) -> str | None:
        """Return a link to a stored file in a bucket, to GET or HEAD it; None if it is on this machine.

        Raises `StoredFileError`, `DiskError`.
        """
        if not isinstance(self._root_of(delivery), BucketRoot):
            return None
        tree = self._tree_of(delivery)
        if tree is None:
            raise StoredFileError("the file is in a bucket that is not configured any more")
        return await tree.link(delivery, method)

    def _tree_of(self, delivery: Delivery) -> TreeAtWork | None:
        trees = self.live.work.trees.values() if self.live.work else ()
        return next((tree for tree in trees if tree.key == delivery.root), None)

    def _root_of(self, delivery: Delivery) -> DeliveryRoot:
        return parse_root(delivery.root) if delivery.root else self.plan.roots[None]

    async def attention(self) -> Sequence[Concern]:
        """Return what needs a person now and is not acknowledged."""
        return unacknowledged(await concerns_of(self.plan, self.reader, self.now()))

    async def _reviewed(self) -> Sequence[Concern]:
        """Return what needs a person as of the last review, without what was acknowledged since.

        Computed now if that review failed, so that the page never shows a green light that nothing supports.
        """
        if self.live.attention() is None:
            return await self.attention()
        return await self.reader.attention.recorded()

    async def hosts(self) -> Sequence[HostReport]:
        """Return what each host does."""
        return await reports_of(self.plan, self.reader, self.now())

    async def overview(self) -> Overview:
        """Return the present totals, accounts, trees and concerns."""
        work = self.live.work
        kept = await self.reader.accounts.states()
        listed = {name: state.listed_at for name, state in kept.items()}
        accounts = work.accounts if work else {}
        parked = await self.reader.statistics.largest_parked()
        return Overview(
            accounts=[
                AccountSeen(
                    name=name,
                    state=at.breaker.state,
                    swept_at=self.swept.get(name) or listed.get(name),
                    retry_at=at.breaker.trouble.until if at.breaker.trouble else None,
                )
                for name, at in accounts.items()
            ],
            trees=[
                _seen(root, tree, parked.get(tree.key, 0))
                for root, tree in (work.trees if work else {}).items()
            ],
            attention=await self._reviewed(),
            pauses=await self.reader.actions.pauses(),
            counts=await self.reader.statistics.counts(),
            hosts=await self.hosts(),
        )


def _seen(root: str, tree: TreeAtWork, needed: int) -> TreeSeen:
    try:
        room = tree.room()
    except DiskError:
        return TreeSeen(root=root, usable=False, room=None)
    return TreeSeen(root=root, usable=tree.volume.usable, room=room, shortage=shortage(room, needed))
