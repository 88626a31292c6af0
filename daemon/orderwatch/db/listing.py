"""The statements of a list of orders: filtered, sorted and cut to a page in SQL."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, String, and_, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orderwatch.core.model import Capture, Delivery, Order
from orderwatch.db.attention import NEEDS_A_PERSON
from orderwatch.db.glance import RUNNING
from orderwatch.db.mappers import capture_of, delivery_of, order_of, transition_of
from orderwatch.db.tables import accounts, captures, deliveries, orders, transitions
from orderwatch.ports.queries import Choices, Found, News, Search, Sort

_LAST_MOVE = (
    select(func.max(transitions.c.id))
    .where(transitions.c.account == orders.c.account, transitions.c.task_id == orders.c.task_id)
    .scalar_subquery()
)
_SORTS: dict[Sort, ColumnElement[Any]] = {
    Sort.TASK_ID: orders.c.task_id,
    Sort.NAME: func.lower(orders.c.task_name),
    Sort.STATUS: orders.c.word,
    Sort.STATE: orders.c.state,
    Sort.START: orders.c.start,
    Sort.END: orders.c.end,
    Sort.NEXT_LOOK: orders.c.next_look_at,
    Sort.MOVED: _LAST_MOVE,
    Sort.ATTENTION: NEEDS_A_PERSON,
}


async def find(db: AsyncConnection, search: Search) -> Found:
    """As of the snapshot that the connection has."""
    query, page = matching(search), slice(search.offset, search.offset + search.limit)
    if search.text:  # to search twice would be dearer than to hear of every row
        every = (await db.execute(query)).scalars().all()
        ids, total = every[page], len(every)
    else:
        ids = (await db.execute(query.slice(page.start, page.stop))).scalars().all()
        total = await db.scalar(select(func.count()).select_from(orders).where(_where(search))) or 0
    return Found(await loaded(db, orders.c.id.in_(ids), ids), total)


def matching(search: Search, *more: Column[Any]) -> Select[Any]:
    """Rows of all orders searched for, in their order, with more columns."""
    key = _SORTS[search.sort]
    sorting = (key.desc() if search.descending else key.asc()).nulls_last()
    query = select(orders.c.id, *more).where(_where(search)).order_by(sorting)
    if search.sort is Sort.ATTENTION:
        query = query.order_by(_LAST_MOVE.desc().nulls_last())
    return query.order_by(orders.c.task_id, orders.c.account)


async def loaded(
    db: AsyncConnection, where: ColumnElement[bool] | None, ids: Sequence[int] | None = None
) -> list[Order]:
    """Those orders with captures and deliveries, by account and id, or in the order of these rows."""
    here = orders.outerjoin(accounts, accounts.c.account == orders.c.account)
    chosen = select(orders, accounts.c.listed_at).select_from(here)
    chosen = chosen.order_by(orders.c.account, orders.c.task_id)
    if where is not None:
        chosen = chosen.where(where)
    among = ids if ids is not None else chosen.with_only_columns(orders.c.id).order_by(None)
    rows = {row["id"]: row for row in (await db.execute(chosen)).mappings()}
    parts: dict[int, tuple[list[Capture], list[Delivery]]] = {number: ([], []) for number in rows}
    of_captures = select(captures).where(captures.c.order_id.in_(among)).order_by(captures.c.id)
    for row in (await db.execute(of_captures)).mappings():
        parts[row["order_id"]][0].append(capture_of(row))
    of_deliveries = select(deliveries).where(deliveries.c.order_id.in_(among)).order_by(deliveries.c.id)
    for row in (await db.execute(of_deliveries)).mappings():
        parts[row["order_id"]][1].append(delivery_of(row))
    return [
        order_of(rows[number], tuple(found), tuple(wanted))
        for number in (ids if ids is not None else rows)
        for found, wanted in [parts[number]]
    ]


async def choices(db: AsyncConnection) -> Choices:
    query = select(orders.c.account, orders.c.project_name, orders.c.word, orders.c.state).distinct()
    rows = (await db.execute(query)).all()
    return Choices(*(sorted({row[n] for row in rows if row[n]}) for n in range(len(Choices._fields))))


async def news(db: AsyncConnection, after: int, most: int, since: datetime) -> News:
    moved = select(transitions).where(transitions.c.id > after).order_by(transitions.c.id).limit(most)
    touched = select(orders.c.account, orders.c.task_id).where(orders.c.looked_at > since)
    return News(
        newest=await db.scalar(select(func.max(transitions.c.id))) or 0,
        moves=[(row["id"], transition_of(row)) for row in (await db.execute(moved)).mappings()],
        touched=[(account, task_id) for account, task_id in await db.execute(touched)],
        fetching=[delivery_of(row) for row in (await db.execute(RUNNING)).mappings()],
    )


def _where(search: Search) -> ColumnElement[bool]:
    wanted = {
        orders.c.account: search.account,
        orders.c.project_name: search.project,
        orders.c.word: search.status,
        orders.c.state: search.state,
    }
    given = [column == value for column, value in wanted.items() if value is not None]
    given += [NEEDS_A_PERSON] if search.attention else []
    return and_(True, *given, *([_speaks_of(search.text)] if search.text else []))  # noqa: FBT003 - SQL's


def _speaks_of(text: str) -> ColumnElement[bool]:
    of_captures = _like(text, captures.c.capture_id, captures.c.satellite_name)
    return or_(
        _like(text, cast(orders.c.task_id, String), orders.c.task_name, orders.c.project_name),
        orders.c.id.in_(select(captures.c.order_id).where(of_captures)),
        orders.c.id.in_(select(deliveries.c.order_id).where(_like(text, deliveries.c.scene_id))),
    )


def _like(text: str, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
    """SQLite's own LIKE knows small and capital letters of ASCII only, and one form of an accent."""
    cases = {text} if text.isascii() else {text, text.lower(), text.upper(), text.title()}
    writings = {unicodedata.normalize(form, case) for case in cases for form in ("NFC", "NFD")}
    return or_(
        *(column.contains(writing, autoescape=True) for column in columns for writing in sorted(writings))
    )
