"""Actions and pauses: the rows by which people act beside a running daemon."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, and_, bindparam, delete, func, insert, select, update

from orderwatch.core.actions.action import Action, ActionKind, RefreshAnswer
from orderwatch.core.actions.pauses import Pause, Pauses
from orderwatch.db.cluster.wakeups import wake_hosts
from orderwatch.db.database import Database
from orderwatch.db.tables import actions, pauses
from orderwatch.ports import ActionNews

_KEPT_FOR = timedelta(days=90)

_NEWEST = select(func.max(actions.c.number))
_PAUSES = select(pauses).order_by(pauses.c.account)
_FRESH = select(actions).where(actions.c.number > bindparam("after")).order_by(actions.c.number)
_REFRESHES = (
    select(actions)
    .where(
        actions.c.kind == ActionKind.REFRESH,
        actions.c.answered_at.is_(None),
        actions.c.at >= bindparam("since"),
    )
    .order_by(actions.c.number)
)


class Actions:
    """`ports.Actions` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self) -> int:
        return int(await self._database.scalar(_NEWEST) or 0)

    async def news(self, after: int, since: datetime) -> ActionNews:
        def work(db: Connection) -> ActionNews:
            fresh = db.execute(_FRESH, {"after": after}).mappings()
            waiting = db.execute(_REFRESHES, {"since": since}).mappings()
            return ActionNews(
                newest=db.scalar(_NEWEST) or 0,
                fresh=[_action_of(row) for row in fresh],
                pauses=_pauses(db),
                refreshes=[_action_of(row) for row in waiting],
            )

        return await self._database.read(work)

    async def pauses(self) -> Pauses:
        return await self._database.read(_pauses)

    async def record(self, actions: Sequence[Action]) -> Sequence[int]:
        return await self._database.write(lambda db: [_record(db, action) for action in actions])

    async def pause(self, action: Action) -> Pause | None:
        def work(db: Connection) -> Pause | None:
            if (known := _pause_of(db, action.account)) is not None:
                return known
            row = {"account": action.account or "", "paused_at": action.at, "who": action.who}
            db.execute(insert(pauses), row)
            _record(db, action)
            return None

        return await self._database.write(work)

    async def resume(self, action: Action) -> Pause | None:
        def work(db: Connection) -> Pause | None:
            known = _pause_of(db, action.account)
            if known is not None:
                db.execute(delete(pauses).where(pauses.c.account == (action.account or "")))
                _record(db, action)
            return known

        return await self._database.write(work)

    async def answer(self, number: int, answer: RefreshAnswer, at: datetime) -> None:
        here = update(actions).where(and_(actions.c.number == number, actions.c.answered_at.is_(None)))
        await self._database.execute(here.values(answered_at=at, answer=asdict(answer)))

    async def get(self, numbers: Collection[int]) -> Sequence[Action]:
        query = select(actions).where(actions.c.number.in_(numbers)).order_by(actions.c.number)
        return [_action_of(row) for row in await self._database.rows(query)]


def _record(db: Connection, action: Action) -> int:
    """Record an action, and forget the oldest ones."""
    row = {name: getattr(action, name) for name in ("kind", "account", "order_id", "who", "at")}
    number: int = db.execute(insert(actions).values(row).returning(actions.c.number)).scalar_one()
    db.execute(delete(actions).where(actions.c.at < action.at - _KEPT_FOR))
    wake_hosts(db)
    return number


def _pauses(db: Connection) -> Pauses:
    return Pauses([_pause(row) for row in db.execute(_PAUSES).mappings()])


def _pause_of(db: Connection, account: str | None) -> Pause | None:
    row = db.execute(select(pauses).where(pauses.c.account == (account or ""))).mappings().one_or_none()
    return None if row is None else _pause(row)


def _pause(row: RowMapping) -> Pause:
    return Pause(account=row["account"] or None, paused_at=row["paused_at"], who=row["who"])


def _action_of(row: RowMapping) -> Action:
    facts = dict(row)
    found = facts.pop("answer")
    answer = found and RefreshAnswer(**{**found, "problems": tuple(found["problems"])})
    return Action(**{**facts, "kind": ActionKind(facts["kind"]), "answer": answer})
