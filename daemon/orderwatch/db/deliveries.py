"""The deliveries: the queue of what is to be fetched, and where the files are."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, bindparam, func, select, update
from sqlalchemy.exc import IntegrityError

from orderwatch.core.deliveries import state_machine
from orderwatch.core.deliveries.hosts import HostKey
from orderwatch.core.deliveries.paths import alternative, place_key
from orderwatch.core.deliveries.pictures import PICTURES
from orderwatch.core.deliveries.state_machine import DeliveryUpdate
from orderwatch.core.model import Claim, Delivery, DeliveryState
from orderwatch.db import history
from orderwatch.db.cluster import leases
from orderwatch.db.cluster.leases import HAS_FENCE, NOBODYS
from orderwatch.db.cluster.moment import moment
from orderwatch.db.cluster.wakeups import wake_hosts
from orderwatch.db.database import Database
from orderwatch.db.engines.changes import count_changed
from orderwatch.db.engines.upserts import upsert, upsert_rows
from orderwatch.db.mappers import DELIVERY_KEY, Row, delivery_facts, delivery_of, delivery_row
from orderwatch.db.outbox import Notifications, Outbox
from orderwatch.db.queries.due import IS_WANTED, next_due
from orderwatch.db.tables import deliveries, orders, trees
from orderwatch.errors import StaleOrderError
from orderwatch.ports import LEASE, Renewal

_UNIQUE = ("order_row", "capture_id", "scene_id", "attachment", "version")
OF_ORDER = and_(orders.c.account == bindparam("of_account"), orders.c.order_id == bindparam("of_order_id"))
_IS_VERSION = and_(  # found by way of the order, which the index of the deliveries begins with
    deliveries.c.order_row == select(orders.c.id).where(OF_ORDER).scalar_subquery(),
    *(deliveries.c[name] == bindparam(f"of_{name}") for name in ("capture_id", "scene_id", "attachment")),
)
IS_ROW = and_(_IS_VERSION, deliveries.c.version == bindparam("of_version"))

# Built once, since to build a statement costs more than to execute it.
_VERSIONS = select(deliveries).where(_IS_VERSION).order_by(deliveries.c.version)
_CHANGE = update(deliveries).where(IS_ROW, HAS_FENCE)
_MOVE = _CHANGE.where(deliveries.c.state == bindparam("of_state"))
_NEXT_CLAIM = _MOVE.values(fence=deliveries.c.fence + 1)
_SAME_CAPTURE = (
    select(deliveries)
    .where(
        deliveries.c.order_row == select(orders.c.id).where(OF_ORDER).scalar_subquery(),
        deliveries.c.capture_id == bindparam("of_capture_id"),
        IS_WANTED,
        deliveries.c.version == 1,
        deliveries.c.attempts == 0,
        deliveries.c.durable == 0,
        deliveries.c.path.is_(None),
        deliveries.c.attachment.in_(bindparam("attachments", expanding=True)),
    )
    .order_by(deliveries.c.id)
    .limit(bindparam("limit"))
)
_NUMBERED_PICTURES = (
    select(
        deliveries.c.id,
        func.row_number()
        .over(partition_by=deliveries.c.capture_id, order_by=deliveries.c.id)
        .label("number"),
    )
    .where(
        deliveries.c.order_row == select(orders.c.id).where(OF_ORDER).scalar_subquery(),
        deliveries.c.state == DeliveryState.STORED,
        deliveries.c.attachment.in_(PICTURES),
    )
    .subquery()
)
_FIRST_PICTURES = (
    select(deliveries)
    .join(_NUMBERED_PICTURES, _NUMBERED_PICTURES.c.id == deliveries.c.id)
    .where(_NUMBERED_PICTURES.c.number <= bindparam("limit"))
    .order_by(deliveries.c.id)
)
_TAKEN = select(deliveries.c.path_key).where(deliveries.c.path_key.in_(bindparam("keys", expanding=True)))
_RENEW_ORDER = (  # every older reading of the order becomes stale
    update(orders).where(OF_ORDER).values(version=orders.c.version + 1)
)


class Deliveries:
    """`ports.Deliveries` over both engines; `boot` owns what it claims."""

    def __init__(self, database: Database, outbox: Outbox, boot: str) -> None:
        self._database = database
        self._outbox = outbox
        self._boot = boot

    async def in_states(self, *states: DeliveryState, account: str | None = None) -> Sequence[Delivery]:
        query = select(deliveries).where(deliveries.c.state.in_(states)).order_by(deliveries.c.id)
        if account is not None:
            query = query.where(deliveries.c.account == account)
        return [delivery_of(row) for row in await self._database.rows(query)]

    async def hosts(self) -> Sequence[str]:
        query = select(deliveries.c.host).where(deliveries.c.host.is_not(None)).distinct()
        return sorted(row.host for row in await self._database.rows(query))

    async def versions(self, delivery: Delivery) -> Sequence[Delivery]:
        return await self._database.read(lambda db: _versions(db, delivery))

    async def versions_of(
        self, account: str, order_id: str, capture_id: str, scene_id: str, attachment: str
    ) -> Sequence[Delivery]:
        names = (account, order_id, capture_id, scene_id, attachment)
        key = {f"of_{name}": value for name, value in zip(DELIVERY_KEY[:-1], names, strict=True)}
        rows = await self._database.read(lambda db: db.execute(_VERSIONS, key).mappings().all())
        return [delivery_of(row) for row in rows]

    async def pictures(self, account: str, order_id: str, limit: int) -> Sequence[Delivery]:
        given = {"of_account": account, "of_order_id": order_id, "limit": limit}
        rows = await self._database.read(lambda db: db.execute(_FIRST_PICTURES, given).mappings().all())
        return [delivery_of(row) for row in rows]

    async def claim(
        self,
        now: datetime,
        accounts: Collection[str],
        beyond: datetime | None = None,
        rooms: Mapping[str | None, int | None] | None = None,
        *,
        resting: Collection[HostKey] = (),
        doubted: Collection[HostKey] = (),
        lease: timedelta = LEASE,
    ) -> Delivery | None:
        rooms = rooms or {}
        roots = tuple((root, room is None) for root, room in rooms.items())
        given: dict[str, object] = {"now": now, "beyond": beyond}
        given |= {f"room_{number}": room for number, room in enumerate(rooms.values()) if room is not None}

        def find(db: Connection, at: datetime) -> list[Delivery]:
            query = next_due(db.dialect.name, tuple(accounts), tuple(resting), tuple(doubted), roots)
            row = db.execute(query, {**given, "boot": self._boot, "at": at}).mappings().first()
            return [] if row is None else [delivery_of(row)]

        return next(iter(await self._claim(find, now, lease)), None)

    async def claim_more(
        self,
        like: Delivery,
        now: datetime,
        attachments: Collection[str],
        limit: int,
        *,
        lease: timedelta = LEASE,
    ) -> Sequence[Delivery]:
        given = {**key_of(like), "attachments": list(attachments), "limit": limit}

        def find(db: Connection, _: datetime) -> list[Delivery]:
            return [delivery_of(row) for row in db.execute(_SAME_CAPTURE, given).mappings()]

        return await self._claim(find, now, lease)

    async def take(self, delivery: Delivery, now: datetime, *, lease: timedelta = LEASE) -> Delivery:
        [taken] = await self._claim(lambda *_: [delivery], now, lease)
        return taken

    async def renew(
        self, now: datetime, *, lease: timedelta = LEASE, abandoned: Collection[Claim] = ()
    ) -> Renewal:
        def work(db: Connection) -> Renewal:
            at = moment(db, now)
            leases.renew(db, self._boot, at + lease)
            own = leases.own(db, self._boot)
            left = [one for one in own if one.claim in abandoned]
            released = _release(db, [*leases.lapsed(db, self._boot, at), *left], now)
            return Renewal(len(released), frozenset(one.claim for one in own) - set(abandoned))

        return await self._database.write(work)

    async def hand_over(self, now: datetime) -> int:
        return await self._database.write(lambda db: len(_release(db, leases.own(db, self._boot), now)))

    async def _claim(
        self, find: Callable[[Connection, datetime], list[Delivery]], now: datetime, lease: timedelta
    ) -> list[Delivery]:
        def work(db: Connection) -> list[Delivery]:
            at = moment(db, now)
            return _claim(db, find(db, at), now, {"owner": self._boot, "lease_until": at + lease})

        return await self._database.write(work)

    async def intend_all(
        self, intended: Sequence[Delivery], paths: Sequence[str], root: str | None
    ) -> Sequence[Delivery]:
        def work(db: Connection) -> list[Delivery]:
            placed = []
            for delivery, path in zip(intended, _free_paths(db, paths, root), strict=True):
                placed.append(replace(delivery, path=path, root=root))
            rows = [{**_fenced(one), **delivery_facts(one), **path_row(one.path, root)} for one in placed]
            _change(db, rows)
            return placed

        return await self._database.write(work)

    async def save_all(self, changes: Sequence[DeliveryUpdate]) -> None:
        def work(db: Connection, notifications: Notifications) -> None:
            for change in changes:
                notifications.delivery_changes(change)
            _write_all(db, changes)

        await self._outbox.write(work)

    async def save(self, change: DeliveryUpdate) -> None:
        def work(db: Connection, notifications: Notifications) -> None:
            notifications.delivery_changes(change)
            _write(db, change)

        await self._outbox.write(work)

    async def intend(self, delivery: Delivery) -> Delivery | None:
        def work(db: Connection) -> Delivery | None:
            for other in _versions(db, delivery):
                is_stored = other.version != delivery.version and other.state is DeliveryState.STORED
                if is_stored and other.sha256 == delivery.sha256:
                    return other
            _write(db, DeliveryUpdate(delivery=delivery, transition=None))
            return None

        return await self._database.write(work)

    async def checkpoint(self, delivery: Delivery, durable: int) -> None:
        facts = {**delivery.file_version.facts(), "furthest": delivery.furthest, "durable": durable}
        await self._change(delivery, facts)

    async def reserve(self, delivery: Delivery, path: str | None, root: str | None = None) -> bool:
        try:
            await self._change(delivery, path_row(path, root))
        except IntegrityError:
            return False
        return True

    async def _change(self, delivery: Delivery, row: Row) -> None:
        await self._database.write(lambda db: _change(db, [{**_fenced(delivery), **row}]))

    async def volume(self, root: str) -> str | None:
        volume: str | None = await self._database.scalar(select(trees.c.volume).where(trees.c.root == root))
        return volume

    async def save_volume(self, root: str, volume: str) -> None:
        await self._database.execute(
            upsert(trees).values(root=root, volume=volume).on_conflict_do_nothing()  # another host was first
        )


def queue(db: Connection, order_row: int, wanted: Collection[Delivery]) -> None:
    """Write deliveries of an order that are to be fetched, without paths, whether or not they have rows."""
    if not wanted:
        return
    rows = [{**delivery_row(one), **path_row(None, None), "order_row": order_row} for one in wanted]
    db.execute(upsert_rows(deliveries, tuple(rows[0]), _UNIQUE), rows)
    wake_hosts(db)


def path_row(path: str | None, root: str | None) -> Row:
    return {"path": path, "path_key": None if path is None else place_key(path, root), "root": root}


def key_of(delivery: Delivery) -> Row:
    """Return the parameters of `IS_ROW` and `OF_ORDER` for this delivery."""
    return {f"of_{name}": getattr(delivery, name) for name in DELIVERY_KEY}


def _versions(db: Connection, delivery: Delivery) -> list[Delivery]:
    return [delivery_of(row) for row in db.execute(_VERSIONS, key_of(delivery)).mappings()]


def _fenced(delivery: Delivery) -> Row:
    """Return the parameters of `_CHANGE`: no host writes what another one has claimed since."""
    return {**key_of(delivery), "of_fence": delivery.fence}


def _change(db: Connection, rows: Sequence[Row]) -> None:
    if count_changed(db, _CHANGE, rows) != len(rows):
        raise StaleOrderError("a delivery was claimed meanwhile")


def _write(db: Connection, change: DeliveryUpdate) -> None:
    delivery, transition = change.delivery, change.transition
    if transition is not None:
        _write_all(db, [change])
        return
    row = {**_fenced(delivery), **delivery_facts(delivery)}
    if delivery.stored_at is not None:
        row["item"] = None  # to be listed again
    _change(db, [row])


def _write_all(db: Connection, changes: Sequence[DeliveryUpdate], owned: Row | None = None) -> None:
    """Write deliveries of one order that changed their state, by few statements.

    With an owner and its lease, or `NOBODYS`, each gets the next fence.
    """
    if not changes:
        return
    transitions = [change.transition for change in changes if change.transition is not None]
    rows = [
        {
            **_fenced(change.delivery),
            **delivery_facts(change.delivery),
            **(owned or NOBODYS),
            "of_state": transition.before,
        }
        for change, transition in zip(changes, transitions, strict=True)
    ]
    if any(row["stored_at"] is not None for row in rows):
        rows = [{**row, "item": None} for row in rows]  # listed again, or taken out of its item
    if count_changed(db, _MOVE if owned is None else _NEXT_CLAIM, rows) != len(rows):
        raise StaleOrderError(f"delivery {changes[0].delivery.scene_id} was written meanwhile")
    history.append(db, transitions)
    db.execute(_RENEW_ORDER, key_of(changes[0].delivery))
    if any(transition.after == DeliveryState.WANTED for transition in transitions):
        wake_hosts(db)


def _claim(db: Connection, found: Sequence[Delivery], now: datetime, lease: Row) -> list[Delivery]:
    """Claim deliveries of one order; the lease of those that are being fetched is over."""
    lapsed = [one for one in found if one.state is DeliveryState.FETCHING]
    free = [one for one in found if one.state is not DeliveryState.FETCHING]
    changes = [state_machine.claimed(one, now) for one in (*free, *_release(db, lapsed, now))]
    _write_all(db, changes, lease)
    return [replace(change.delivery, fence=change.delivery.fence + 1) for change in changes]


def _release(db: Connection, lapsed: Sequence[Delivery], now: datetime) -> list[Delivery]:
    """Queue again what nobody fetches any more; what its former owner writes later is refused."""
    released = []
    for delivery in lapsed:
        change = state_machine.released(delivery, now)
        _write_all(db, [change], NOBODYS)
        released.append(replace(change.delivery, fence=delivery.fence + 1))
    return released


def _free_paths(db: Connection, paths: Sequence[str], root: str | None) -> list[str]:
    """Return these paths, each with another name where a delivery has it already."""
    taken = _taken(db, [place_key(path, root) for path in paths])
    free = []
    for path in paths:
        name, number = path, 1
        while (key := place_key(name, root)) in taken:
            number += 1
            name = alternative(path, number)
            taken |= _taken(db, [place_key(name, root)])
        taken.add(key)
        free.append(name)
    return free


def _taken(db: Connection, keys: Sequence[str]) -> set[str | None]:
    return set(db.scalars(_TAKEN, {"keys": keys}))
