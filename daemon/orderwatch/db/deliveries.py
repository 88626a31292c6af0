"""The deliveries: the queue of what is to be fetched, and where the files are."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    false,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orderwatch.core.deliveries import state_machine
from orderwatch.core.deliveries.hosts import HostKey
from orderwatch.core.deliveries.paths import place_key
from orderwatch.core.deliveries.state_machine import DeliveryUpdate
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.db import history
from orderwatch.db.database import Database
from orderwatch.db.mappers import Row, delivery_of, delivery_row
from orderwatch.db.outbox import Notifications, Outbox
from orderwatch.db.tables import captures, deliveries, orders, trees
from orderwatch.errors import StaleOrderError

_RETRIED = (DeliveryState.WAITING, DeliveryState.PARKED)
CAPTURE_OF_DELIVERY = and_(
    captures.c.order_id == deliveries.c.order_id, captures.c.capture_id == deliveries.c.capture_id
)


class Deliveries:
    """`ports.Deliveries` over SQLite."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    async def in_states(self, *states: DeliveryState, account: str | None = None) -> Sequence[Delivery]:
        query = select(deliveries).where(deliveries.c.state.in_(states)).order_by(deliveries.c.id)
        if account is not None:
            query = query.where(deliveries.c.account == account)
        return [delivery_of(row) for row in await self._database.rows(query)]

    async def hosts(self) -> Sequence[str]:
        query = select(deliveries.c.host).where(deliveries.c.host.is_not(None)).distinct()
        return sorted(row.host for row in await self._database.rows(query))

    async def versions(self, delivery: Delivery) -> Sequence[Delivery]:
        query = select(deliveries).where(_of_attachment(delivery)).order_by(deliveries.c.version)
        return [delivery_of(row) for row in await self._database.rows(query)]

    async def claim(
        self,
        now: datetime,
        accounts: Collection[str],
        beyond: datetime | None = None,
        rooms: Mapping[str | None, int | None] | None = None,
        *,
        resting: Collection[HostKey] = (),
        doubted: Collection[HostKey] = (),
    ) -> Delivery | None:
        fetchable = and_(deliveries.c.account.in_(accounts), _is_due(now, beyond), ~_is_from(resting))
        query = _next_of(and_(fetchable, _fits(rooms or {})), _is_from(doubted) if doubted else None)

        async def work(db: AsyncConnection) -> Delivery | None:
            row = (await db.execute(query)).mappings().first()
            if row is None:
                return None
            claimed = state_machine.claimed(delivery_of(row), now)
            await _write(db, claimed)
            return claimed.delivery

        return await self._database.write(work)

    async def save(self, change: DeliveryUpdate) -> None:
        async def work(db: AsyncConnection, notifications: Notifications) -> None:
            await notifications.delivery_changes(change)
            await _write(db, change)

        await self._outbox.write(work)

    async def checkpoint(self, delivery: Delivery, durable: int) -> None:
        facts = {**delivery.file_version.facts(), "furthest": delivery.furthest, "durable": durable}
        row = update(deliveries).where(is_row_of(delivery))
        await self._database.execute(row.values(facts))

    async def reserve(self, delivery: Delivery, path: str | None, root: str | None = None) -> bool:
        row = update(deliveries).where(is_row_of(delivery))
        try:
            await self._database.execute(row.values(path_row(path, root)))
        except IntegrityError:
            return False
        return True

    async def volume(self, root: str) -> str | None:
        volume: str | None = await self._database.scalar(select(trees.c.volume).where(trees.c.root == root))
        return volume

    async def save_volume(self, root: str, volume: str) -> None:
        await self._database.execute(insert(trees).values(root=root, volume=volume))


async def queue(db: AsyncConnection, order_id: int, delivery: Delivery) -> None:
    """Write a delivery that is to be fetched, without a path, whether or not it has a row."""
    row = delivery_row(delivery)
    renewed = update(deliveries).where(is_row_of(delivery)).values(**row, **path_row(None, None))
    if (await db.execute(renewed)).rowcount == 0:
        await db.execute(insert(deliveries).values(**row, order_id=order_id))


def is_row_of(delivery: Delivery) -> ColumnElement[bool]:
    return and_(_of_attachment(delivery), deliveries.c.version == delivery.version)


def path_row(path: str | None, root: str | None) -> Row:
    return {"path": path, "path_key": None if path is None else place_key(path, root), "root": root}


async def _write(db: AsyncConnection, change: DeliveryUpdate) -> None:
    delivery, transition = change.delivery, change.transition
    here = is_row_of(delivery)
    if transition is not None:
        here = and_(here, deliveries.c.state == transition.before)
    row = delivery_row(delivery)
    if delivery.stored_at is not None:
        row["item"] = None  # to be listed again; what is no longer stored has to be taken out of its item
    if (await db.execute(update(deliveries).where(here).values(row))).rowcount != 1:
        raise StaleOrderError(f"delivery {delivery.scene_id} was written meanwhile")
    if transition is not None:
        await history.append(db, [transition])
        # Every older reading of the order becomes stale.
        await db.execute(update(orders).where(_of_order(delivery)).values(version=orders.c.version + 1))


def _of_attachment(delivery: Delivery) -> ColumnElement[bool]:
    """Every version; found by way of the order, which the index of the deliveries begins with."""
    return and_(
        deliveries.c.order_id == select(orders.c.id).where(_of_order(delivery)).scalar_subquery(),
        deliveries.c.capture_id == delivery.capture_id,
        deliveries.c.scene_id == delivery.scene_id,
        deliveries.c.attachment == delivery.attachment,
    )


def _of_order(delivery: Delivery) -> ColumnElement[bool]:
    return and_(orders.c.account == delivery.account, orders.c.task_id == delivery.task_id)


def _next_of(fetchable: ColumnElement[bool], doubted: ColumnElement[bool] | None) -> Select[*tuple[Any, ...]]:
    """Select the first delivery by `state_machine.rank`: rush orders, then by publication, then by size.

    Before all others go the doubted ones, of these the one tried least.
    """
    tried_least: list[ColumnElement[Any]] = []
    if doubted is not None:
        tried = (deliveries.c.attempts, deliveries.c.not_before)
        tried_least = [doubted.desc(), *(case((doubted, column)) for column in tried)]
    first = (
        select(deliveries.c.id)
        .join_from(deliveries, orders, orders.c.id == deliveries.c.order_id)
        .outerjoin(captures, CAPTURE_OF_DELIVERY)
        .where(fetchable)
        .order_by(
            *tried_least,
            orders.c.priority.desc(),
            captures.c.published_at,
            deliveries.c.attachment == "delivery_zip",
            deliveries.c.total.nulls_last(),
            deliveries.c.id,
        )
        .limit(1)
    )
    return select(deliveries).where(deliveries.c.id == first.scalar_subquery())


def _is_due(now: datetime, beyond: datetime | None) -> ColumnElement[bool]:
    is_over = deliveries.c.not_before <= now
    if beyond is not None:
        is_over = or_(is_over, deliveries.c.not_before > beyond)
    return or_(deliveries.c.state == DeliveryState.WANTED, and_(deliveries.c.state.in_(_RETRIED), is_over))


def _is_from(ways: Collection[HostKey]) -> ColumnElement[bool]:
    """Whether the delivery's last link led to one of these hosts."""
    host = func.coalesce(deliveries.c.host, "")
    each = [and_(deliveries.c.account == way.account, host == way.host) for way in ways]
    return or_(*each) if each else false()


def _fits(rooms: Mapping[str | None, int | None]) -> ColumnElement[bool]:
    """Whether the delivery is not parked, has room, or lies below a root that is not configured any more."""
    lacking = func.coalesce(deliveries.c.total - deliveries.c.durable, 1)
    full = [
        and_(deliveries.c.root.is_(root), true() if room is None else lacking > room)
        for root, room in rooms.items()
    ]
    return or_(deliveries.c.state != DeliveryState.PARKED, ~or_(*full)) if full else true()
