"""The lanes on PostgreSQL: each request takes the next slot, timed by the database's clock."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, and_, func, select, update

from orderwatch.db.cluster.moment import DATABASE_CLOCK
from orderwatch.db.database import Database
from orderwatch.db.engines.upserts import upsert
from orderwatch.db.tables import lanes
from orderwatch.ports import Slot


class Lanes:
    """`ports.Lanes` over PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, account: str, host: str, min_gap: float) -> Slot:
        def work(db: Connection) -> Slot:
            if slot := _reserve(db, account, host, min_gap):
                return slot
            if held := _held(db, account):
                return Slot(wait=0.0, gap=min_gap, held=held)
            first = {"account": account, "host": host, "free_at": DATABASE_CLOCK, "gap": min_gap}
            db.execute(upsert(lanes).values(first).on_conflict_do_nothing())
            return _reserve(db, account, host, min_gap) or Slot(wait=0.0, gap=min_gap, held=min_gap)

        return await self._database.write(work)

    async def held(self, account: str) -> float:
        return await self._database.read(lambda db: _held(db, account))

    async def hold(self, account: str, seconds: float) -> None:
        until = func.greatest(lanes.c.held_until, DATABASE_CLOCK + _span(seconds))
        await self._database.execute(update(lanes).where(lanes.c.account == account).values(held_until=until))

    async def scale(self, account: str, host: str, factor: float, limits: tuple[float, float]) -> None:
        gap = func.least(limits[1], func.greatest(limits[0], lanes.c.gap * factor))
        lane = and_(lanes.c.account == account, lanes.c.host == host)
        await self._database.execute(update(lanes).where(lane).values(gap=gap))


def _reserve(db: Connection, account: str, host: str, min_gap: float) -> Slot | None:
    """Take the next slot of the lane; None if it is held, or not there yet."""
    gap = func.greatest(lanes.c.gap, min_gap)
    taken = (
        update(lanes)
        .where(lanes.c.account == account, lanes.c.host == host, ~_is_held())
        .values(gap=gap, free_at=func.greatest(lanes.c.free_at, DATABASE_CLOCK) + _span(gap))
        .returning(_seconds_until(lanes.c.free_at) - lanes.c.gap, lanes.c.gap)
    )
    row = db.execute(taken).first()
    return None if row is None else Slot(wait=max(0.0, row[0]), gap=row[1])


def _held(db: Connection, account: str) -> float:
    held = select(func.max(_seconds_until(lanes.c.held_until))).where(lanes.c.account == account, _is_held())
    return float(db.scalar(held) or 0.0)


def _is_held() -> ColumnElement[bool]:
    return func.coalesce(lanes.c.held_until > DATABASE_CLOCK, False)


def _span(seconds: Any) -> ColumnElement[Any]:  # noqa: ANN401 - a number or an expression
    return func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def _seconds_until(moment: ColumnElement[Any]) -> ColumnElement[float]:
    return func.extract("epoch", moment - DATABASE_CLOCK).cast(Float)
