"""Stored scenes with pictures, newest first: each page is found by one step in an index."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    literal,
    or_,
    select,
    tuple_,
)

from orderwatch.core.deliveries.pictures import PICTURES
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.db.database import Database
from orderwatch.db.mappers import UtcDateTime, delivery_of
from orderwatch.db.queries.due import CAPTURE_OF_DELIVERY
from orderwatch.db.tables import captures, deliveries, orders
from orderwatch.ports.gallery import GallerySearch, PicturedScene, Position, StoredPage

_SCENE = ("order_row", "capture_id", "scene_id")
_OF_DELIVERY = orders.c.id == deliveries.c.order_row
_other = deliveries.alias("other")
_IS_SAME_SCENE = and_(*(_other.c[name] == deliveries.c[name] for name in _SCENE))
_HAS_BETTER = exists().where(  # a thumbnail instead of a preview, or a newer version
    _IS_SAME_SCENE,
    _other.c.attachment.in_(PICTURES),
    _other.c.pictured_at.is_not(None),
    or_(
        _other.c.version > deliveries.c.version,
        and_(
            _other.c.version == deliveries.c.version,
            _other.c.attachment > deliveries.c.attachment,
        ),
    ),
)
_SCENES = (
    select(
        deliveries,
        orders.c.task_name,
        orders.c.project_name,
        captures.c.satellite_name,
    )
    .join_from(deliveries, orders, _OF_DELIVERY)
    .outerjoin(captures, CAPTURE_OF_DELIVERY)
    .where(deliveries.c.pictured_at.is_not(None), ~_HAS_BETTER)
    .order_by(deliveries.c.pictured_at.desc(), deliveries.c.id.desc())
)
_OF_SAME_SCENES = (
    select(_other)
    .join_from(deliveries, _other, _IS_SAME_SCENE)
    .where(deliveries.c.id.in_(bindparam("pictures", expanding=True)))
    .order_by(_other.c.id)
)
_FILES = (
    select(deliveries)
    .join_from(deliveries, orders, _OF_DELIVERY)
    .where(
        orders.c.account == bindparam("account"),
        orders.c.order_id == bindparam("order_id"),
        deliveries.c.state == DeliveryState.STORED,
        deliveries.c.id > bindparam("after"),
    )
    .order_by(deliveries.c.id)
    .limit(bindparam("limit"))
)


class Gallery:
    """`ports.gallery.Gallery` over both engines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, search: GallerySearch) -> Sequence[PicturedScene]:
        return await self._database.read(lambda db: _page(db, search))

    async def files(self, account: str, order_id: str, after: int, limit: int) -> StoredPage:
        given = {"account": account, "order_id": order_id, "after": after, "limit": limit + 1}
        rows = await self._database.read(lambda db: db.execute(_FILES, given).mappings().all())
        shown = rows[:limit]
        last = shown[-1]["id"] if len(rows) > limit else None
        return StoredPage([delivery_of(row) for row in shown], last)


def _page(db: Connection, search: GallerySearch) -> list[PicturedScene]:
    rows = db.execute(_matching(search)).all()
    files = _files(db, rows)
    return [
        PicturedScene(
            Position(row.pictured_at, row.id),
            delivery_of(row._mapping),  # noqa: SLF001 - SQLAlchemy's public name for it
            files[_scene(row)],
            row.task_name,
            row.project_name,
            row.scene["satellite_name"] or row.satellite_name,
        )
        for row in rows
    ]


def _matching(search: GallerySearch) -> Select[Any]:
    at = deliveries.c.pictured_at
    query = _SCENES.limit(search.limit)
    wanted = {
        orders.c.account: search.account,
        orders.c.project_name: search.project,
        orders.c.order_id: search.order_id,
    }
    named = [column == value for column, value in wanted.items() if value is not None]
    if named:  # "+ 0": the rows stay in the order of the pictures' index, which has this column too
        query = query.where((deliveries.c.order_row + 0).in_(select(orders.c.id).where(*named)))
    if search.since is not None:
        query = query.where(at >= search.since)
    if search.until is not None:
        query = query.where(at < search.until)
    if search.after is not None:
        end = tuple_(literal(search.after.at, UtcDateTime), literal(search.after.row))
        query = query.where(tuple_(at, deliveries.c.id) < end)
    return query


def _files(db: Connection, rows: Sequence[Row[Any]]) -> Mapping[tuple[Any, ...], list[Delivery]]:
    """Return the stored files of the scenes of these pictures."""
    found: defaultdict[tuple[Any, ...], list[Delivery]] = defaultdict(list)
    for row in db.execute(_OF_SAME_SCENES, {"pictures": [row.id for row in rows]}):
        if row.state == DeliveryState.STORED:
            found[_scene(row)].append(delivery_of(row._mapping))  # noqa: SLF001 - as above
    return found


def _scene(row: Row[Any]) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in _SCENE)
