"""What needs a person: the concerns that were raised and are not over."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, RowMapping, bindparam, delete, insert, select, update

from orderwatch.core.attention.attention import ranked
from orderwatch.core.attention.concern import Changes, Concern, Evidence, Raised, Reason
from orderwatch.core.model import Transition
from orderwatch.db import history
from orderwatch.db.database import Database
from orderwatch.db.mappers import Row
from orderwatch.db.outbox import Notifications, Outbox
from orderwatch.db.queries.evidence import evidence
from orderwatch.db.tables import attention


class Attention:
    """`ports.Attention` over SQLite."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    async def evidence(self, now: datetime) -> Evidence:
        def work(db: Connection) -> Evidence:
            return evidence(db, now, _raised(db))

        return await self._database.read(work)

    async def recorded(self) -> Sequence[Concern]:
        query = select(attention).where(attention.c.acknowledged_at.is_(None))
        rows = await self._database.rows(query)
        return ranked(_raised_of(row).concern for row in rows)

    async def record(self, changes: Changes, at: datetime) -> None:
        def work(db: Connection, notifications: Notifications) -> None:
            _remove(db, [*(c.key for c in changes.cleared), *changes.forgotten])
            _add(db, changes.raised)
            for concern in changes.cleared:
                notifications.concern_changes(concern, at, cleared=True)
            for concern in changes.raised:
                notifications.concern_changes(concern, at, cleared=False)

        await self._outbox.write(work)

    async def acknowledge(
        self, concerns: Collection[Concern], transitions: Sequence[Transition], at: datetime
    ) -> None:
        def work(db: Connection) -> None:
            known = _raised(db)
            _add(db, [concern for concern in concerns if concern.key not in known])
            _acknowledge(db, [concern.key for concern in concerns], at)
            history.append(db, transitions)

        await self._database.write(work)


def _raised(db: Connection) -> Mapping[str, Raised]:
    return {row["key"]: _raised_of(row) for row in (db.execute(select(attention))).mappings()}


def _add(db: Connection, concerns: Sequence[Concern]) -> None:
    if concerns:
        db.execute(insert(attention), [_row(concern) for concern in concerns])


def _remove(db: Connection, keys: Collection[str]) -> None:
    if keys:
        here = delete(attention).where(attention.c.key == bindparam("this"))
        db.execute(here, [{"this": key} for key in keys])


def _acknowledge(db: Connection, keys: Collection[str], at: datetime) -> None:
    if keys:
        here = update(attention).where(attention.c.key == bindparam("this"))
        db.execute(here.values(acknowledged_at=at), [{"this": key} for key in keys])


def _row(concern: Concern) -> Row:
    facts = asdict(concern) | {"since": concern.since.isoformat(), "reason": str(concern.reason)}
    del facts["key"], facts["acknowledged_at"]
    return {
        "key": concern.key,
        "account": concern.account,
        "order_id": concern.order_id,
        "facts": facts,
        "acknowledged_at": concern.acknowledged_at,
    }


def _raised_of(row: RowMapping) -> Raised:
    facts = dict(row["facts"])
    facts |= {"since": datetime.fromisoformat(facts["since"]), "reason": Reason(facts["reason"])}
    return Raised(concern=Concern(key=row["key"], **facts), acknowledged_at=row["acknowledged_at"])
