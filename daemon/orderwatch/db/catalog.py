"""The catalog of stored files: which deliveries its items list, and the pages that lead to the items."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, and_, bindparam, case, or_, select, tuple_, update

from orderwatch.core.model import Capture, Delivery
from orderwatch.core.stac_pages import Node
from orderwatch.db import catalog_nodes
from orderwatch.db.database import Database
from orderwatch.db.mappers import Row, UtcDateTime, capture_of, delivery_of, order_of
from orderwatch.db.orders import ORDERS
from orderwatch.db.tables import captures, deliveries, orders
from orderwatch.ports import Generation, SceneRead, Unlisted

_KEY = ("capture_id", "scene_id", "attachment", "version")  # of a delivery within its order
_OF_SCENE = tuple_(deliveries.c.order_id, deliveries.c.scene_id)
_OF_CAPTURE = tuple_(captures.c.order_id, captures.c.capture_id)


class Catalog:
    """`ports.Catalog` over SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unlisted(self, root: str | None) -> Sequence[Unlisted]:
        query = (
            select(deliveries.c.account, deliveries.c.task_id, deliveries.c.scene_id)
            .where(deliveries.c.item.is_(None) != deliveries.c.stored_at.is_(None))
            .where(deliveries.c.root.is_(root))
            .distinct()
        )
        return [Unlisted(**row) for row in await self._database.rows(query)]

    async def scenes(self, root: str | None, unlisted: Collection[Unlisted]) -> Sequence[SceneRead]:
        def work(db: Connection) -> list[SceneRead]:
            return [found for part in catalog_nodes.parts(unlisted) for found in _scenes(db, root, part)]

        return await self._database.read(work)

    async def begin(self, root: str | None) -> Generation:
        return await self._database.write(lambda db: catalog_nodes.begin(db, root))

    async def nodes(self, root: str | None, paths: Collection[str]) -> Mapping[str, Node]:
        found = await self._database.read(lambda db: catalog_nodes.by_path(db, root, paths))
        return {node.path: node for node in found}

    async def children(self, root: str | None, pages: Collection[str]) -> Sequence[Node]:
        return await self._database.read(lambda db: catalog_nodes.by_parent(db, root, pages))

    async def next_numbers(self, root: str | None, heads: Collection[str]) -> Mapping[str, int]:
        def work(db: Connection) -> dict[str, int]:
            return {head: catalog_nodes.next_number(db, root, head) for head in heads}

        return await self._database.read(work)

    async def pages_to_write(self, root: str | None) -> Collection[str]:
        return await self._database.read(lambda db: catalog_nodes.unlinked_parents(db, root))

    async def paths(self, root: str | None) -> Collection[str]:
        return await self._database.read(lambda db: catalog_nodes.paths(db, root))

    async def mark_listed(
        self,
        root: str | None,
        generation: Generation,
        scenes: Mapping[str, SceneRead],
        nodes: Collection[Node],
    ) -> bool:
        def work(db: Connection) -> bool:
            if not catalog_nodes.is_current(db, generation):
                return False
            _mark_listed(db, scenes)
            catalog_nodes.save(db, root, nodes)
            return True

        return await self._database.write(work)

    async def mark_linked(self, root: str | None, generation: Generation, pages: Collection[Node]) -> bool:
        def work(db: Connection) -> bool:
            if not catalog_nodes.is_current(db, generation):
                return False
            catalog_nodes.link_children(db, root, [page.path for page in pages])
            catalog_nodes.save(db, root, pages)
            return True

        return await self._database.write(work)

    async def unlist_all(self) -> None:
        def work(db: Connection) -> None:
            db.execute(update(deliveries).where(deliveries.c.item.is_not(None)).values(item=None))
            catalog_nodes.remove_all(db)

        await self._database.write(work)


def _scenes(db: Connection, root: str | None, unlisted: Collection[Unlisted]) -> list[SceneRead]:
    """Return the scenes by few statements, without the other deliveries of their orders."""
    of_orders = tuple_(orders.c.account, orders.c.task_id).in_({scene[:2] for scene in unlisted})
    found = {row["id"]: row for row in db.execute(ORDERS.where(of_orders)).mappings()}
    ids = {(row["account"], row["task_id"]): order_id for order_id, row in found.items()}
    keys = [(ids[scene[:2]], scene.scene_id) for scene in unlisted if scene[:2] in ids]
    files: defaultdict[tuple[int, str], list[Delivery]] = defaultdict(list)
    items: dict[tuple[int, str], str | None] = {}
    of_scenes = select(deliveries).where(_OF_SCENE.in_(keys), deliveries.c.root.is_(root))
    for row in db.execute(of_scenes.order_by(deliveries.c.id)).mappings():
        key = row["order_id"], row["scene_id"]
        files[key].append(delivery_of(row))
        items[key] = items.get(key) or row["item"]
    known = {(order_id, held.capture_id) for (order_id, _), of_scene in files.items() for held in of_scene}
    of_captures = select(captures).where(_OF_CAPTURE.in_(known))
    its_captures: dict[tuple[int, str], Capture] = {
        (row["order_id"], row["capture_id"]): capture_of(row) for row in db.execute(of_captures).mappings()
    }
    reads = []
    for key, of_scene in files.items():
        of_files = {(key[0], held.capture_id): None for held in of_scene}
        present = tuple(its_captures[one] for one in of_files if one in its_captures)
        reads.append(SceneRead(order_of(found[key[0]], present, tuple(of_scene)), items[key]))
    return reads


def _mark_listed(db: Connection, scenes: Mapping[str, SceneRead]) -> None:
    """By few statements, since there may be thousands."""
    of_order = and_(orders.c.account == bindparam("of_account"), orders.c.task_id == bindparam("of_task"))
    here = and_(
        deliveries.c.order_id == select(orders.c.id).where(of_order).scalar_subquery(),
        *(deliveries.c[name] == bindparam(f"of_{name}") for name in _KEY),
    )
    # A file that was lost meanwhile is listed by mistake, a file that was stored meanwhile is not listed.
    is_as_read = or_(
        deliveries.c.stored_at.is_(None),
        deliveries.c.stored_at.is_not_distinct_from(bindparam("of_stored_at", type_=UtcDateTime)),
    )
    rows: list[Row] = [
        {
            "of_account": delivery.account,
            "of_task": delivery.task_id,
            **{f"of_{name}": getattr(delivery, name) for name in _KEY},
            "of_stored_at": delivery.stored_at,
            "in_item": item if delivery.stored_at else None,
        }
        for item, scene in scenes.items()
        for delivery in scene.order.deliveries
    ]
    if rows:
        db.execute(update(deliveries).where(here).values(item=case((is_as_read, bindparam("in_item")))), rows)
