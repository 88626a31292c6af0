"""What is meant to be ordered, as rows: statements within a transaction that the store has begun."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import RowMapping, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orderwatch.core.ordering.intent import Budget, Intent, IntentState
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.ordering.request import from_body
from orderwatch.core.ordering.standing_orders import is_spent
from orderwatch.db.mappers import Row
from orderwatch.db.tables import intents
from orderwatch.errors import LockedError

_SAME = (
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
    "task_id",
    "reason",
)
_OF_THE_ACT = ("who", "source", "digest", "note")


async def add(db: AsyncConnection, intent: Intent) -> Intent:
    """What never reached the provider makes room for the next try."""
    unsent = and_(intents.c.state == IntentState.UNSENT, intents.c.fingerprint == intent.fingerprint)
    await db.execute(delete(intents).where(unsent))
    try:
        done = await db.execute(insert(intents).values(_row(intent)).returning(intents.c.number))
    except IntegrityError as error:
        raise LockedError("another orderwatch is placing the same order; try again") from error
    number: int = done.scalar_one()
    return replace(intent, number=number)


async def change(db: AsyncConnection, before: Intent, after: Intent) -> None:
    unmoved = and_(
        intents.c.number == before.number, intents.c.state == before.state, intents.c.sends == before.sends
    )
    if (await db.execute(update(intents).where(unmoved).values(_row(after)))).rowcount != 1:
        raise LockedError("another orderwatch is placing the same order; try again")


async def exceeds(db: AsyncConnection, budget: Budget, now: datetime) -> bool:
    """Whether one standing order more would be too much, of all accounts together."""
    rows = await db.execute(select(intents).where(intents.c.standing_order))
    return is_spent(budget, [intent_of(row) for row in rows.mappings()], now)


def intent_of(row: RowMapping) -> Intent:
    fields = {name: row[name] for name in _SAME}
    return Intent(
        **{**fields, "state": IntentState(row["state"])},
        number=row["number"],
        request=from_body(row["request"]),
        provenance=Provenance(**{name: row[name] for name in _OF_THE_ACT}),
        before=tuple(row["before"]),
    )


def _row(intent: Intent) -> Row:
    return {
        **{name: getattr(intent, name) for name in _SAME},
        **{name: getattr(intent.provenance, name) for name in _OF_THE_ACT},
        "request": intent.request.body,
        "before": list(intent.before),
    }
