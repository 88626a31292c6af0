"""The catalog of stored files: which deliveries its items list."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, and_, bindparam, func, select, update

from orderwatch.core.model import SETTLED
from orderwatch.core.stac import Entry, entry, taken_at
from orderwatch.db.database import Database
from orderwatch.db.deliveries import CAPTURE_OF_DELIVERY
from orderwatch.db.mappers import Row, UtcDateTime, scene_of
from orderwatch.db.tables import captures, deliveries, orders
from orderwatch.ports import SceneRead, Unlisted

_KEY = ("capture_id", "scene_id", "attachment", "version")  # of a delivery within its order


class Catalog:
    """`ports.Catalog` over SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unlisted(self, root: str | None) -> Sequence[Unlisted]:
        whole = deliveries.alias()
        same_scene = and_(
            whole.c.order_row == deliveries.c.order_row,
            whole.c.scene_id == deliveries.c.scene_id,
            whole.c.root.is_(root),
        )
        item = func.max(whole.c.item).label("item")
        query = (
            select(
                deliveries.c.account, deliveries.c.order_id, deliveries.c.task_id, deliveries.c.scene_id, item
            )
            .join_from(deliveries, whole, same_scene)
            .where(deliveries.c.item.is_(None) != deliveries.c.stored_at.is_(None))
            .where(deliveries.c.root.is_(root))
            .group_by(deliveries.c.order_row, deliveries.c.scene_id)
        )
        return [Unlisted(**row) for row in await self._database.rows(query)]

    async def entries(self, root: str | None, folder: str) -> Sequence[Entry]:
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
            .outerjoin(captures, CAPTURE_OF_DELIVERY)
            .where(deliveries.c.root.is_(root), deliveries.c.state.in_(SETTLED), below)
            .where(deliveries.c.stored_at.is_not(None))
            .group_by(deliveries.c.item)
        )

        def work(db: Connection) -> list[Entry]:
            found = []
            for item, account, project_name, raw, taken, *window, stored_at, _ in db.execute(query):
                scene = scene_of(raw)
                when = taken_at(scene, taken, (window[0], window[1]), stored_at)
                found.append(entry(item, account, project_name, scene, when))
            return found

        return await self._database.read(work)

    async def collections(self, root: str | None) -> Sequence[str]:
        rest = func.substr(deliveries.c.item, len("stac/") + 1)
        folder = func.substr(deliveries.c.item, 1, len("stac/") + func.instr(rest, "/") - 1)
        query = select(folder.label("folder")).where(
            deliveries.c.root.is_(root), deliveries.c.item.is_not(None), deliveries.c.stored_at.is_not(None)
        )
        return [row["folder"] for row in await self._database.rows(query.distinct())]

    async def mark_listed(self, items: Mapping[str, SceneRead]) -> None:
        await self._database.write(lambda db: _mark_listed(db, items))

    async def unlist_all(self) -> None:
        with_files = select(deliveries.c.order_row).where(deliveries.c.stored_at.is_not(None))
        await self._database.execute(
            update(orders).where(orders.c.id.in_(with_files)).values(version=orders.c.version + 1),
            update(deliveries).where(deliveries.c.item.is_not(None)).values(item=None),
        )


def _mark_listed(db: Connection, items: Mapping[str, SceneRead]) -> None:
    """By few statements, since there may be thousands."""
    of_order = and_(
        orders.c.account == bindparam("of_account"),
        orders.c.order_id == bindparam("of_task"),
        orders.c.version == bindparam("of_order_version"),
    )
    here = and_(
        deliveries.c.order_row == select(orders.c.id).where(of_order).scalar_subquery(),
        *(deliveries.c[name] == bindparam(f"of_{name}") for name in _KEY),
        deliveries.c.state == bindparam("of_state"),
        deliveries.c.stored_at.is_not_distinct_from(bindparam("of_stored_at", type_=UtcDateTime)),
    )
    rows: list[Row] = [
        {
            "of_account": delivery.account,
            "of_task": delivery.order_id,
            "of_order_version": scene.order_version,
            **{f"of_{name}": getattr(delivery, name) for name in _KEY},
            "of_state": delivery.state,
            "of_stored_at": delivery.stored_at,
            "in_item": item if delivery.stored_at else None,
        }
        for item, scene in items.items()
        for delivery in scene.deliveries
    ]
    if rows:
        db.execute(update(deliveries).where(here).values(item=bindparam("in_item")), rows)
