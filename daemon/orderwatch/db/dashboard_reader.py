"""A reader for viewers, with connections of its own: they never wait for the workers, nor these for them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select

from orderwatch.core.model import Order, Transition
from orderwatch.core.statistics import Counts
from orderwatch.db import listing
from orderwatch.db.engine import close, reader_engine
from orderwatch.db.glance import counted
from orderwatch.db.listing import loaded
from orderwatch.db.mappers import transition_of
from orderwatch.db.patience import reading
from orderwatch.db.reader import Reader
from orderwatch.db.tables import orders, transitions
from orderwatch.ports.queries import Choices, Found, News, Search

_BUSY = 2.0  # seconds; a viewer is told so rather than kept waiting


class DashboardReader(Reader):
    @reading
    async def find(self, search: Search) -> Found:
        async with self._snapshot() as db:
            return await listing.find(db, search)

    @reading
    async def versions(self, search: Search) -> Sequence[tuple[int, int]]:
        """The same page: the row of each order, and how often it was written."""
        query = listing.matching(search, orders.c.version).slice(search.offset, search.offset + search.limit)
        async with self._snapshot() as db:
            return [(row, version) for row, version in await db.execute(query)]

    @reading
    async def orders_at(self, rows: Sequence[int]) -> Mapping[int, Order]:
        """The orders of these rows."""
        async with self._snapshot() as db:
            return dict(zip(rows, await loaded(db, orders.c.id.in_(rows), rows), strict=True))

    @reading
    async def last_moves(self, before: int | None, limit: int) -> Sequence[tuple[int, Transition]]:
        """So many moves recorded before the one of this number, or ever; numbered, newest first."""
        query = select(transitions).order_by(transitions.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(transitions.c.id < before)
        async with self._snapshot() as db:
            return [(row["id"], transition_of(row)) for row in (await db.execute(query)).mappings()]

    @reading
    async def newest_move(self) -> int:
        async with self._snapshot() as db:
            return await db.scalar(select(func.max(transitions.c.id))) or 0

    @reading
    async def news(self, after: int, most: int, since: datetime) -> News:
        """At most so many moves recorded after the one of this number, and orders looked at since then."""
        async with self._snapshot() as db:
            return await listing.news(db, after, most, since)

    @reading
    async def counts(self) -> Counts:
        async with self._snapshot() as db:
            return await counted(db)

    @reading
    async def choices(self) -> Choices:
        async with self._snapshot() as db:
            return await listing.choices(db)


@asynccontextmanager
async def open_dashboard_reader(database: Path) -> AsyncIterator[DashboardReader]:
    engine = reader_engine(database, _BUSY)
    try:
        yield DashboardReader(engine)
    finally:
        await close(engine)
