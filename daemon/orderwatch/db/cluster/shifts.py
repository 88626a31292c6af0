"""The shifts: renewed, taken and given away in one turn of the cluster, so that no two hosts hold one."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, select, update

from orderwatch.core.cluster.shifts import rebalance, shifts_of
from orderwatch.db.cluster.moment import moment
from orderwatch.db.database import Database
from orderwatch.db.engines.upserts import upsert
from orderwatch.db.tables import hosts, shifts
from orderwatch.errors import LostShiftError
from orderwatch.ports import Duty


class Shifts:
    """`ports.Shifts` over both engines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def renew(self, boot: str, lease: timedelta, now: datetime) -> Duty:
        def work(db: Connection) -> Duty:
            at = moment(db, now)
            until = at + lease
            db.execute(update(shifts).where(shifts.c.owner == boot).values(lease_until=until))
            able = _live_hosts(db, at - lease)
            moves = rebalance(boot, able, _holders(db, at, able)) if boot in able else None
            for name in sorted(moves.take if moves else ()):
                _hand_over(db, name, boot, until)
            return Duty(_fences(db, boot), moves.give if moves else {})

        return await self._database.write(work)

    async def give(self, boot: str, given: Mapping[str, str | None], lease: timedelta, now: datetime) -> None:
        def work(db: Connection) -> None:
            until = moment(db, now) + lease
            for name in sorted(_fences(db, boot).keys() & given.keys()):
                _hand_over(db, name, given[name], until)

        await self._database.write(work)

    async def claim(self, name: str, owner: str, lease: timedelta, now: datetime) -> int | None:
        def work(db: Connection) -> int | None:
            at = moment(db, now)
            held = select(shifts.c.owner).where(shifts.c.name == name, shifts.c.lease_until > at)
            if db.scalar(held) is not None:
                return None
            _hand_over(db, name, owner, at + lease)
            return _fences(db, owner)[name]

        return await self._database.write(work)

    async def extend(self, name: str, owner: str, lease: timedelta, now: datetime) -> bool:
        def work(db: Connection) -> bool:
            until = moment(db, now) + lease
            return bool(
                db.execute(update(shifts).where(_is_owned(name, owner)).values(lease_until=until)).rowcount
            )

        return await self._database.write(work)

    async def release(self, name: str, owner: str) -> None:
        await self._database.execute(
            update(shifts).where(_is_owned(name, owner)).values(owner=None, lease_until=None)
        )

    async def holders(self) -> Mapping[str, str]:
        query = select(shifts.c.name, hosts.c.host).join(hosts, hosts.c.boot == shifts.c.owner)
        return {row["name"]: row["host"] for row in await self._database.rows(query)}


def fence_check(name: str, fence: Callable[[], int | None]) -> Callable[[Connection], None]:
    """Return a unit that raises `LostShiftError` unless the shift still has this fence.

    It runs in the transaction of the write that depends on the shift.
    """

    def check(db: Connection) -> None:
        present: int | None = db.scalar(select(shifts.c.fence).where(shifts.c.name == name))
        if present is None or present != fence():
            raise LostShiftError(f"another host holds the shift {name}")

    return check


def _live_hosts(db: Connection, since: datetime) -> dict[str, Collection[str]]:
    """Return the shifts that each live host can hold, by its boot; commands, without accounts, hold none."""
    rows = db.execute(select(hosts.c.boot, hosts.c.facts).where(hosts.c.seen_at > since))
    return {
        boot: shifts_of(facts["accounts"], facts.get("channels", ()))
        for boot, facts in rows
        if facts.get("accounts")
    }


def _holders(db: Connection, at: datetime, live: Collection[str]) -> dict[str, str]:
    held = and_(shifts.c.lease_until > at, shifts.c.owner.in_(live))
    rows = db.execute(select(shifts.c.name, shifts.c.owner).where(held))
    return dict(rows.all())


def _hand_over(db: Connection, name: str, owner: str | None, until: datetime) -> None:
    """Give the shift a new owner and the next fence, which the former owner does not know."""
    row = {"owner": owner, "fence": shifts.c.fence + 1, "lease_until": until}
    first = upsert(shifts).values(name=name, owner=owner, fence=1, lease_until=until)
    db.execute(first.on_conflict_do_update(index_elements=["name"], set_=row))


def _is_owned(name: str, owner: str) -> ColumnElement[bool]:
    return and_(shifts.c.name == name, shifts.c.owner == owner)


def _fences(db: Connection, boot: str) -> dict[str, int]:
    return dict(db.execute(select(shifts.c.name, shifts.c.fence).where(shifts.c.owner == boot)).all())
