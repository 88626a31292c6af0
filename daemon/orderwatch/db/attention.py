"""What needs a person: the concerns that were raised and are not over."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import RowMapping, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

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
        async def work(db: AsyncConnection) -> Evidence:
            return await evidence(db, now, await _raised(db))

        return await self._database.read(work)

    async def record(self, changes: Changes, at: datetime) -> None:
        async def work(db: AsyncConnection, notifications: Notifications) -> None:
            await _remove(db, [*(c.key for c in changes.cleared), *changes.forgotten])
            await _add(db, changes.raised)
            for concern in changes.cleared:
                await notifications.concern_changes(concern, at, cleared=True)
            for concern in changes.raised:
                await notifications.concern_changes(concern, at, cleared=False)

        await self._outbox.write(work)

    async def acknowledge(
        self, concerns: Collection[Concern], transitions: Sequence[Transition], at: datetime
    ) -> None:
        async def work(db: AsyncConnection) -> None:
            known = await _raised(db)
            await _add(db, [concern for concern in concerns if concern.key not in known])
            await _acknowledge(db, [concern.key for concern in concerns], at)
            await history.append(db, transitions)

        await self._database.write(work)


async def _raised(db: AsyncConnection) -> Mapping[str, Raised]:
    return {row["key"]: _raised_of(row) for row in (await db.execute(select(attention))).mappings()}


async def _add(db: AsyncConnection, concerns: Sequence[Concern]) -> None:
    if concerns:
        await db.execute(insert(attention), [_row(concern) for concern in concerns])


async def _remove(db: AsyncConnection, keys: Collection[str]) -> None:
    if keys:
        here = delete(attention).where(attention.c.key == bindparam("this"))
        await db.execute(here, [{"this": key} for key in keys])


async def _acknowledge(db: AsyncConnection, keys: Collection[str], at: datetime) -> None:
    if keys:
        here = update(attention).where(attention.c.key == bindparam("this"))
        await db.execute(here.values(acknowledged_at=at), [{"this": key} for key in keys])


def _row(concern: Concern) -> Row:
    facts = asdict(concern) | {"since": concern.since.isoformat(), "reason": str(concern.reason)}
    del facts["key"], facts["acknowledged_at"]
    return {
        "key": concern.key,
        "account": concern.account,
        "task_id": concern.task_id,
        "facts": facts,
        "acknowledged_at": concern.acknowledged_at,
    }


def _raised_of(row: RowMapping) -> Raised:
    facts = dict(row["facts"])
    facts |= {"since": datetime.fromisoformat(facts["since"]), "reason": Reason(facts["reason"])}
    return Raised(concern=Concern(key=row["key"], **facts), acknowledged_at=row["acknowledged_at"])
