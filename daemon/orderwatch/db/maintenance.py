"""What looks after the rows themselves: forgetting what is long done, and when files were read again."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import String, and_, delete, func, or_, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from orderwatch.core.model import SETTLED, Delivery, OrderState
from orderwatch.core.orders.observe import Verdict
from orderwatch.db import writes
from orderwatch.db.catalog import CatalogRows
from orderwatch.db.complaint import translated
from orderwatch.db.mappers import delivery_of
from orderwatch.db.patience import Patience, reading, writing
from orderwatch.db.tables import deliveries, orders, transitions
from orderwatch.ports import SceneRead


class Upkeep(CatalogRows):
    """Reads like a reader; every writing call is one transaction of its own."""

    def __init__(self, reading: AsyncEngine, writing: AsyncEngine, patience: Patience | None = None) -> None:
        super().__init__(reading, patience)
        self._writing = writing

    @property
    def trouble(self) -> str | None:
        """Why the database is waited for, None where it is not."""
        return self.patience.trouble

    def hurry(self) -> None:
        """At a stop: what a busy database refuses is not waited for any more, and counts as cancelled."""
        self.patience.hurry()

    @writing
    async def forget(self, before: datetime, most: int) -> int:
        """Of orders done whose end was seen before then: history and document. Returns of how many."""
        history = and_(transitions.c.account == orders.c.account, transitions.c.task_id == orders.c.task_id)
        remembered = or_(
            type_coerce(orders.c.document, String) != "{}", select(transitions.c.id).where(history).exists()
        )
        chosen = select(orders.c.id, orders.c.account, orders.c.task_id).where(
            orders.c.state == OrderState.DONE, orders.c.final_at < before, remembered
        )
        async with self._transaction() as db:
            rows = (await db.execute(chosen.limit(most))).all()
            for _, account, task_id in rows:
                of_order = and_(transitions.c.account == account, transitions.c.task_id == task_id)
                await db.execute(delete(transitions).where(of_order))
            emptied = update(orders).where(orders.c.id.in_([row.id for row in rows]))
            await db.execute(emptied.values(document={}))
        return len(rows)

    @reading
    async def longest_unread(
        self, roots: Collection[str | None], before: datetime, most: int
    ) -> Sequence[Delivery]:
        """Stored files below these roots that were not read since then, the one read longest ago first."""
        read = func.coalesce(deliveries.c.read_at, deliveries.c.stored_at)
        query = select(deliveries).where(
            deliveries.c.state.in_(SETTLED),
            deliveries.c.path.is_not(None),
            or_(*(deliveries.c.root.is_(root) for root in roots)),
            read < before,
        )
        async with self._snapshot() as db:
            rows = await db.execute(query.order_by(read, deliveries.c.id).limit(most))
            return [delivery_of(row) for row in rows.mappings()]

    @reading
    async def read_since(self, since: datetime) -> int:
        """Bytes of the stored files that were read again since then."""
        query = select(func.coalesce(func.sum(deliveries.c.size), 0)).where(deliveries.c.read_at >= since)
        async with self._snapshot() as db:
            return int(await db.scalar(query) or 0)

    @writing
    async def was_read(self, delivery: Delivery, at: datetime) -> None:
        """Its file was looked at, and is not damaged."""
        held = and_(writes.row_of(delivery), deliveries.c.stored_at == delivery.stored_at)
        async with self._transaction() as db:
            await db.execute(update(deliveries).where(held).values(read_at=at))

    @writing
    async def list_in(self, items: Mapping[str, SceneRead]) -> None:
        """By the path of an item the deliveries of its scene: those stored are listed, the others are not.

        What moved since it was read, or was to be listed anew, stays unlisted.
        """
        async with self._transaction() as db:
            await writes.list_in(db, items)

    @writing
    async def unlist(self) -> None:
        """No item lists anything, nor will one that is being written now."""
        with_files = select(deliveries.c.order_id).where(deliveries.c.stored_at.is_not(None))
        newer = update(orders).where(orders.c.id.in_(with_files)).values(version=orders.c.version + 1)
        async with self._transaction() as db:
            await db.execute(newer)
            await db.execute(update(deliveries).where(deliveries.c.item.is_not(None)).values(item=None))

    @writing
    async def take_up(self, verdicts: Collection[Verdict], now: datetime) -> Collection[Delivery]:
        """Files that stand in the trees, where rows do not know that; returns what was not known.

        Every order that is not done becomes due.
        """
        async with self._transaction() as db:
            due = update(orders).where(orders.c.state != OrderState.DONE)
            await db.execute(due.values(next_look_at=now))
            return [held for verdict in verdicts for held in await writes.take_up(db, verdict)]

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        with translated("the database cannot be written"):
            async with self._writing.begin() as db:
                yield db
