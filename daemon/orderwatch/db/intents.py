"""The intents: orders recorded before they are sent."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, RowMapping, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from orderwatch.core.ordering.intent import Budget, Intent, IntentState
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.ordering.request import from_body
from orderwatch.core.ordering.standing_orders import is_spent
from orderwatch.core.orders.observe import Verdict
from orderwatch.db import orders
from orderwatch.db.database import Database
from orderwatch.db.mappers import Row
from orderwatch.db.outbox import Notifications, Outbox
from orderwatch.db.tables import intents
from orderwatch.errors import LockedError

_INTENT_COLUMNS = (
    "account",
    "contract",
    "fingerprint",
    "standing_order",
    "written_at",
    "state",
    "sends",
    "sent_at",
    "ended_at",
    "searched_at",
    "order_id",
    "task_id",
    "reason",
)
_PROVENANCE_COLUMNS = ("who", "source", "digest", "note")
_IS_UNSETTLED = intents.c.state.in_([state for state in IntentState if state.open])
UNSETTLED = select(intents).where(_IS_UNSETTLED)


class Intents:
    """`ports.Intents` over SQLite."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    async def list_all(self, account: str | None = None, *, unsettled: bool = False) -> Sequence[Intent]:
        query = select(intents).order_by(intents.c.number)
        if account is not None:
            query = query.where(intents.c.account == account)
        if unsettled:
            query = query.where(_IS_UNSETTLED)
        return [intent_of(row) for row in await self._database.rows(query)]

    async def add(self, intent: Intent, now: datetime, budget: Budget | None = None) -> Intent | None:
        def work(db: Connection) -> Intent | None:
            if budget is not None and _exceeds(db, budget, now):
                return None
            return _add(db, intent)

        return await self._database.write(work)

    async def update(self, before: Intent, after: Intent) -> None:
        await self._database.write(lambda db: _update(db, before, after))

    async def settle(self, before: Intent, after: Intent, verdict: Verdict) -> None:
        def work(db: Connection, notifications: Notifications) -> None:
            if before.number:
                _update(db, before, after)
            else:
                _add(db, after)
            orders.write(db, notifications, verdict)

        await self._outbox.write(work)


def intent_of(row: RowMapping) -> Intent:
    fields = {name: row[name] for name in _INTENT_COLUMNS}
    return Intent(
        **{**fields, "state": IntentState(row["state"])},
        number=row["number"],
        request=from_body(row["request"]),
        provenance=Provenance(**{name: row[name] for name in _PROVENANCE_COLUMNS}),
        before=tuple(row["before"]),
    )


def _row(intent: Intent) -> Row:
    return {
        **{name: getattr(intent, name) for name in _INTENT_COLUMNS},
        **{name: getattr(intent.provenance, name) for name in _PROVENANCE_COLUMNS},
        "request": intent.request.body,
        "before": list(intent.before),
    }


def _add(db: Connection, intent: Intent) -> Intent:
    """Insert the intent in place of equal ones that never reached the provider."""
    unsent = and_(intents.c.state == IntentState.UNSENT, intents.c.fingerprint == intent.fingerprint)
    db.execute(delete(intents).where(unsent))
    try:
        done = db.execute(insert(intents).values(_row(intent)).returning(intents.c.number))
    except IntegrityError as error:
        raise LockedError("another process is placing the same order; try again") from error
    number: int = done.scalar_one()
    return replace(intent, number=number)


def _update(db: Connection, before: Intent, after: Intent) -> None:
    unchanged = and_(
        intents.c.number == before.number, intents.c.state == before.state, intents.c.sends == before.sends
    )
    if (db.execute(update(intents).where(unchanged).values(_row(after)))).rowcount != 1:
        raise LockedError("another process is placing the same order; try again")


def _exceeds(db: Connection, budget: Budget, now: datetime) -> bool:
    """Whether one standing order more exceeds the budget, which all accounts share."""
    rows = db.execute(select(intents).where(intents.c.standing_order))
    return is_spent(budget, [intent_of(row) for row in rows.mappings()], now)
