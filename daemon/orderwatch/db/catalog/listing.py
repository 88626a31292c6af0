"""Which deliveries the items of the catalog list."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, or_, select, update

from orderwatch.core.model import Capture, Delivery
from orderwatch.core.stac_pages import Node
from orderwatch.db.catalog import nodes as catalog_nodes
from orderwatch.db.database import Database
from orderwatch.db.deliveries import OF_ORDER
from orderwatch.db.mappers import Row, UtcDateTime, capture_of, delivery_of, order_of
from orderwatch.db.queries.loading import ORDERS
from orderwatch.db.tables import captures, deliveries, orders
from orderwatch.ports import Generation, SceneRead, Unlisted

_KEY = ("capture_id", "scene_id", "attachment", "version")  # of a delivery within its order

# Pairs as one JSON parameter: SQLite uses no index for `(a, b) IN (…)`.
_PAIRS = func.json_each(bindparam("pairs")).table_valued("value", name="pairs")


class Catalog:
    """`ports.Catalog` over SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unlisted(self, root: str | None) -> Sequence[Unlisted]:
        query = (
            select(*(deliveries.c[name] for name in Unlisted._fields))
            .where(deliveries.c.item.is_(None) != deliveries.c.stored_at.is_(None))
            .where(deliveries.c.root.is_not_distinct_from(root))
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
            if not catalog_nodes.is_current(db, root, generation):
                return False
            _mark_listed(db, scenes)
            catalog_nodes.save(db, root, nodes)
            return True

        return await self._database.write(work)

    async def mark_linked(self, root: str | None, generation: Generation, pages: Collection[Node]) -> bool:
        def work(db: Connection) -> bool:
            if not catalog_nodes.is_current(db, root, generation):
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
    of_orders = _of_pairs(orders.c.account, orders.c.order_id)
    query = ORDERS.join(_PAIRS, of_orders)
    found = {
        row["id"]: row for row in db.execute(query, _pairs({scene[:2] for scene in unlisted})).mappings()
    }
    ids = {(row["account"], row["order_id"]): order_row for order_row, row in found.items()}
    keys = [(ids[scene[:2]], scene.scene_id) for scene in unlisted if scene[:2] in ids]
    files: defaultdict[tuple[int, str], list[Delivery]] = defaultdict(list)
    items: dict[tuple[int, str], str | None] = {}
    of_scenes = _of_pairs(deliveries.c.order_row, deliveries.c.scene_id)
    its_files = (
        select(deliveries)
        .join_from(_PAIRS, deliveries, of_scenes)
        .where(deliveries.c.root.is_not_distinct_from(root))
    )
    for row in db.execute(its_files, _pairs(keys)).mappings():
        key = row["order_row"], row["scene_id"]
        files[key].append(delivery_of(row))
        items[key] = items.get(key) or row["item"]
    its_captures = _captures(db, {(key[0], held.capture_id) for key in files for held in files[key]})
    return [
        SceneRead(order_of(found[key[0]], _captures_of(key[0], held, its_captures), tuple(held)), items[key])
        for key, held in files.items()
    ]


def _captures(db: Connection, keys: Collection[tuple[int, str]]) -> dict[tuple[int, str], Capture]:
    of_captures = _of_pairs(captures.c.order_row, captures.c.capture_id)
    rows = db.execute(select(captures).join_from(_PAIRS, captures, of_captures), _pairs(keys)).mappings()
    return {(row["order_row"], row["capture_id"]): capture_of(row) for row in rows}


def _captures_of(
    order_row: int, files: Sequence[Delivery], known: Mapping[tuple[int, str], Capture]
) -> tuple[Capture, ...]:
    keys = dict.fromkeys((order_row, held.capture_id) for held in files)
    return tuple(known[key] for key in keys if key in known)


def _of_pairs(first: ColumnElement[Any], second: ColumnElement[Any]) -> ColumnElement[bool]:
    value = _PAIRS.c.value
    return and_(first == func.json_extract(value, "$[0]"), second == func.json_extract(value, "$[1]"))


def _pairs(keys: Iterable[tuple[object, object]]) -> dict[str, str]:
    return {"pairs": json.dumps(list(keys))}


def _mark_listed(db: Connection, scenes: Mapping[str, SceneRead]) -> None:
    """By few statements, since there may be thousands."""
    here = and_(
        deliveries.c.order_row == select(orders.c.id).where(OF_ORDER).scalar_subquery(),
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
            "of_order_id": delivery.order_id,
            **{f"of_{name}": getattr(delivery, name) for name in _KEY},
            "of_stored_at": delivery.stored_at,
            "in_item": item if delivery.stored_at else None,
        }
        for item, scene in scenes.items()
        for delivery in scene.order.deliveries
    ]
    if rows:
        db.execute(update(deliveries).where(here).values(item=case((is_as_read, bindparam("in_item")))), rows)
