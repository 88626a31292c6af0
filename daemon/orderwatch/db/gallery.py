"""A reader for viewers, with connections of its own: they never wait for the workers, nor these for them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select

from orderwatch.core.model import Transition
from orderwatch.db import listing
from orderwatch.db.patience import reading
from orderwatch.db.reader import Reader
from orderwatch.db.rows import transition_of
from orderwatch.db.sqlite import close, reader_engine
from orderwatch.db.tables import transitions
from orderwatch.ports.sight import Choices, Found, Search


class Gallery(Reader):
    @reading
    async def find(self, search: Search) -> Found:
        async with self._snapshot() as db:
            return await listing.find(db, search)

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
    async def touched_since(self, when: datetime) -> Sequence[tuple[str, int]]:
        """Account and id of the orders that were looked at after that."""
        async with self._snapshot() as db:
            return await listing.touched_since(db, when)

    @reading
    async def choices(self) -> Choices:
        async with self._snapshot() as db:
            return await listing.choices(db)


@asynccontextmanager
async def open_gallery(database: Path) -> AsyncIterator[Gallery]:
    engine = reader_engine(database)
    try:
        yield Gallery(engine)
    finally:
        await close(engine)
