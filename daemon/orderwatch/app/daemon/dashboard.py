"""What the pages show, by the configuration that is in effect."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from orderwatch.app.attention import concerns_of
from orderwatch.app.order_facts import facts_of
from orderwatch.config import Settings
from orderwatch.core.attention.attention import unacknowledged
from orderwatch.core.attention.concern import Concern
from orderwatch.core.deliveries.disk_shortage import shortage
from orderwatch.core.model import Delivery, Order
from orderwatch.core.orders.explain import Evidence, Facts, explain
from orderwatch.core.orders.publication_lag import Lags
from orderwatch.db.dashboard_reader import DashboardReader
from orderwatch.errors import DiskError
from orderwatch.ops.live_state import LiveState, TreeAtWork
from orderwatch.ports.queries import AccountSeen, DashboardQueries, TreeSeen
from orderwatch.service.polling.lag_estimator import LagEstimator

_LARGEST = 20_000_000  # bytes of a picture


@dataclass(slots=True, kw_only=True)
class Dashboard:
    """Reads through connections of its own. `swept` is when each account's last good round ended.

    `settings` are those in effect: a reload puts others here.
    """

    reader: DashboardReader
    live: LiveState
    now: Callable[[], datetime]
    swept: Mapping[str, datetime]
    settings: Settings
    _learned: LagEstimator = field(init=False)

    def __post_init__(self) -> None:
        self._learned = LagEstimator(self.reader.lags, self.now)

    async def facts(self, order: Order) -> Facts:
        """What bears on it."""
        return await facts_of(self.settings, self.reader, order, self.now(), await self.learned())

    async def learned(self) -> Lags:
        return await self._learned.renewed()

    async def explain(self, order: Order) -> Sequence[Evidence]:
        """Why it is where it is."""
        return list(explain(await self.facts(order)))

    async def picture(self, delivery: Delivery) -> bytes | None:
        """The bytes of a stored file, None where they cannot be read or are too many."""
        if delivery.path is None:
            return None
        root = Path(delivery.root) if delivery.root else self.settings.delivery.root
        return await asyncio.to_thread(_read, root, delivery.path)

    async def attention(self) -> Sequence[Concern]:
        """What needs a person now, and was not acknowledged."""
        return unacknowledged(await concerns_of(self.settings, self.reader, self.now()))

    async def overview(self) -> DashboardQueries:
        """As it is now."""
        work = self.live.work
        kept = await self.reader.accounts()
        listed = {name: state.listed_at for name, state in kept.items()}
        accounts = work.accounts if work else {}
        parked = await self.reader.largest_parked()
        return DashboardQueries(
            accounts=[
                AccountSeen(
                    name=name, state=at.breaker.state, swept_at=self.swept.get(name) or listed.get(name)
                )
                for name, at in accounts.items()
            ],
            trees=[
                _seen(root, tree, parked.get(tree.key, 0))
                for root, tree in (work.trees if work else {}).items()
            ],
            attention=await self.attention(),
            counts=await self.reader.counts(),
        )


def _seen(root: str, tree: TreeAtWork, needed: int) -> TreeSeen:
    try:
        room = tree.room()
    except DiskError:
        return TreeSeen(root=root, usable=False, room=None)
    return TreeSeen(root=root, usable=tree.volume.usable, room=room, shortage=shortage(room, needed))


def _read(root: Path, path: str) -> bytes | None:
    """Nothing outside the tree, wherever a link leads."""
    try:
        found = (root / path).resolve(strict=True)
        if not found.is_relative_to(root.resolve()) or found.stat().st_size > _LARGEST:
            return None
        return found.read_bytes()
    except OSError:
        return None
