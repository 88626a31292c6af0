"""Which stored files the catalogue lists, and in which items."""

from collections.abc import Sequence

from sqlalchemy import and_, func, select

from orderwatch.core.model import SETTLED
from orderwatch.core.stac import Entry, entry, taken_at
from orderwatch.db.mappers import scene_of
from orderwatch.db.patience import reading
from orderwatch.db.reader import Reader, streamed
from orderwatch.db.tables import captures, deliveries, orders


class CatalogRows(Reader):
    """Reads like a reader; who lists writes by way of `Upkeep`."""

    @reading
    async def entries(self, root: str | None, folder: str) -> Sequence[Entry]:
        """The items below this folder of the tree that list files."""
        its_capture = and_(
            captures.c.order_id == deliveries.c.order_id, captures.c.capture_id == deliveries.c.capture_id
        )
        below = func.substr(deliveries.c.item, 1, len(folder) + 1) == f"{folder}/"
        query = (
            select(
                deliveries.c.item,
                orders.c.account,
                orders.c.project_name,
                deliveries.c.scene,
                captures.c.start,
                orders.c.start,
                orders.c.end,
                deliveries.c.stored_at,
                func.max(deliveries.c.version),  # SQLite takes the others from the same row
            )
            .join_from(deliveries, orders)
            .outerjoin(captures, its_capture)
            .where(deliveries.c.root.is_(root), deliveries.c.state.in_(SETTLED), below)
            .where(deliveries.c.stored_at.is_not(None))
            .group_by(deliveries.c.item)
        )
        found = []
        async with self._snapshot() as db:
            async for item, account, project_name, raw, taken, opens, closes, stored_at, _ in streamed(
                db, query
            ):
                scene = scene_of(raw)
                when = taken_at(scene, taken, (opens, closes), stored_at)
                found.append(entry(item, account, project_name, scene, when))
        return found

    @reading
    async def collections(self, root: str | None) -> Sequence[str]:
        """The folders of the collections that have items."""
        rest = func.substr(deliveries.c.item, len("stac/") + 1)
        folder = func.substr(deliveries.c.item, 1, len("stac/") + func.instr(rest, "/") - 1)
        query = select(folder).where(
            deliveries.c.root.is_(root), deliveries.c.item.is_not(None), deliveries.c.stored_at.is_not(None)
        )
        async with self._snapshot() as db:
            return list((await db.execute(query.distinct())).scalars())
