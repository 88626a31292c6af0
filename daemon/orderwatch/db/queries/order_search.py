"""A list of orders: filtered, sorted and cut to a page in SQL."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    cast,
    exists,
    func,
    or_,
    select,
)

from orderwatch.core.model import SETTLED, Order
from orderwatch.db.database import Database
from orderwatch.db.queries.loading import load
from orderwatch.db.queries.order_ids import BY_ID
from orderwatch.db.tables import attention, captures, deliveries, orders, transitions
from orderwatch.ports import Detail
from orderwatch.ports.queries import Choices, Found, FoundRows, Search, Sort

_NEEDS_A_PERSON = exists().where(  # as of the daemon's last review
    attention.c.account == orders.c.account,
    attention.c.order_id == orders.c.order_id,
    attention.c.acknowledged_at.is_(None),
)
_LAST_TRANSITION = (
    select(func.max(transitions.c.id))
    .where(transitions.c.account == orders.c.account, transitions.c.order_id == orders.c.order_id)
    .scalar_subquery()
)
_CAPTURES = select(func.count()).where(captures.c.order_row == orders.c.id).scalar_subquery()
_STORED = and_(deliveries.c.order_row == orders.c.id, deliveries.c.state.in_(SETTLED))
_SORT_KEYS: dict[Sort, tuple[ColumnElement[Any], ...]] = {
    Sort.ORDER_ID: BY_ID,
    Sort.NAME: (func.lower(orders.c.task_name),),
    Sort.STATUS: (orders.c.word,),
    Sort.STATE: (orders.c.state,),
    Sort.PRODUCT: (orders.c.product,),
    Sort.PRIORITY: (orders.c.priority,),
    Sort.PLACED: (orders.c.placed_at,),
    Sort.START: (orders.c.start,),
    Sort.END: (orders.c.end,),
    Sort.NEXT_LOOK: (orders.c.next_look_at,),
    Sort.CAPTURES: (_CAPTURES,),
    Sort.STORED: (select(func.count()).where(_STORED).scalar_subquery(),),
    Sort.BYTES: (select(func.sum(deliveries.c.size)).where(_STORED).scalar_subquery(),),
    Sort.MOVED: (_LAST_TRANSITION,),
    Sort.ATTENTION: (_NEEDS_A_PERSON,),
}


class OrderSearch:
    """`ports.queries.OrderSearch` over SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, search: Search, detail: Detail = Detail.ALL) -> Found:
        return await self._database.read(lambda db: _find(db, search, detail))

    async def versions(self, search: Search) -> FoundRows:
        return await self._database.read(lambda db: _versions(db, search))

    async def in_rows(self, rows: Sequence[int], detail: Detail) -> Mapping[int, Order]:
        found = await self._database.read(lambda db: load(db, orders.c.id.in_(rows), rows, detail))
        return dict(zip(rows, found, strict=True))

    async def choices(self) -> Choices:
        query = select(orders.c.account, orders.c.project_name, orders.c.word, orders.c.state).distinct()
        rows = await self._database.rows(query)
        columns = ("account", "project_name", "word", "state")
        return Choices(*(sorted({row[name] for row in rows if row[name]}) for name in columns))


def _find(db: Connection, search: Search, detail: Detail) -> Found:
    ids, total = _rows(db, search)
    return Found(load(db, orders.c.id.in_(ids), ids, detail), total)


def _versions(db: Connection, search: Search) -> FoundRows:
    ids, total = _rows(db, search)
    # Apart from the sorting, which would read every order's document with its version.
    query = select(orders.c.id, orders.c.version).where(orders.c.id.in_(ids))
    versions = {row["id"]: row["version"] for row in db.execute(query).mappings()}
    return FoundRows([(row, versions[row]) for row in ids], total)


def _rows(db: Connection, search: Search) -> tuple[Sequence[int], int]:
    query, page = _matching(search), slice(search.offset, search.offset + search.limit)
    if search.text:  # searching twice would cost more than reading every row
        every = db.execute(query).scalars().all()
        return every[page], len(every)
    total = db.scalar(select(func.count()).select_from(orders).where(_where(search))) or 0
    return db.execute(query.slice(page.start, page.stop)).scalars().all(), total


def _matching(search: Search) -> Select[Any]:
    """Select the rows of all orders found, sorted."""
    keys = _SORT_KEYS[search.sort]
    sorting = [(key.desc() if search.descending else key.asc()).nulls_last() for key in keys]
    query = select(orders.c.id).where(_where(search)).order_by(*sorting)
    if search.sort is Sort.ATTENTION:
        query = query.order_by(_LAST_TRANSITION.desc().nulls_last())
    return query.order_by(*BY_ID, orders.c.account)


def _where(search: Search) -> ColumnElement[bool]:
    wanted = {
        orders.c.account: search.account,
        orders.c.project_name: search.project,
        orders.c.word: search.status,
        orders.c.state: search.state,
    }
    filters = [column == value for column, value in wanted.items() if value is not None]
    filters += [_NEEDS_A_PERSON] if search.attention else []
    filters += [_mentions(search.text)] if search.text else []
    return and_(True, *filters)  # noqa: FBT003 - SQL's


def _mentions(text: str) -> ColumnElement[bool]:
    of_captures = _contains(text, captures.c.capture_id, captures.c.satellite_name)
    return or_(
        _contains(
            text, orders.c.order_id, cast(orders.c.task_id, String), orders.c.task_name, orders.c.project_name
        ),
        orders.c.id.in_(select(captures.c.order_row).where(of_captures)),
        orders.c.id.in_(select(deliveries.c.order_row).where(_contains(text, deliveries.c.scene_id))),
    )


def _contains(text: str, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
    """SQLite's LIKE ignores case in ASCII only, and distinguishes composed accents from combining ones."""
    cases = {text} if text.isascii() else {text, text.lower(), text.upper(), text.title()}
    forms = {unicodedata.normalize(form, case) for case in cases for form in ("NFC", "NFD")}
    return or_(*(column.icontains(form, autoescape=True) for column in columns for form in sorted(forms)))
