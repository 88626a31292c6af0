"""Notes written with what they tell of: statements within a transaction that the store has begun."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4, uuid5

from sqlalchemy import ColumnElement, and_, delete, exists, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from orderwatch.core.attention.concern import Concern
from orderwatch.core.deliveries.state_machine import DeliveryUpdate
from orderwatch.core.model import Delivery, DeliveryState, Order, OrderState, Subject
from orderwatch.core.notifications.notification import (
    Channel,
    Notification,
    OutboxItem,
    of_concern,
    of_delivery,
    of_problem,
    of_verdict,
    to_document,
)
from orderwatch.core.notifications.problems import ProblemChange
from orderwatch.core.order_names import OrderNames
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.tables import channels, notes, orders, outbox, problems, transitions

_PROBLEMS = UUID("6f1f7a0e-5b0c-4b57-9d6e-2f6f0a3c9b11")  # what their ids are made in
_ATTENTION = UUID("0c1b52c4-52d0-4e4e-8d0a-3f0f4a9d6c55")  # likewise


class Outbox:
    """One transaction's notes; nothing is written, or asked, that no channel wants."""

    def __init__(self, db: AsyncConnection, listening: Sequence[Channel]) -> None:
        self._db = db
        self._listening = listening
        self.filled = False

    async def verdict(self, verdict: Verdict) -> None:
        """Of what is about to be written: where the order stood is still in its row."""
        if self._listening:
            done = verdict.order.state is OrderState.DONE
            before = await self._state_of(verdict.order) if done else None
            for note in of_verdict(verdict, before):
                await self._put(note)

    async def delivery(self, move: DeliveryUpdate) -> None:
        """Of what is about to be written; parked again for the same reason is no news."""
        if not self._listening or move.transition is None:
            return
        note = of_delivery(move, await self._names_of(move.delivery))
        if note is None or not self._wanting(note):
            return
        if move.delivery.state is DeliveryState.PARKED and await self._was_parked(move.delivery):
            return
        await self._put(note)

    async def problem(self, change: ProblemChange) -> None:
        problem = change.problem
        if change.over:
            await self._db.execute(delete(problems).where(problems.c.key == problem.key))
        else:
            row = {"event": problem.event, "began_at": problem.began_at, "facts": dict(problem.facts)}
            written = upsert(problems).values(key=problem.key, **row)
            await self._db.execute(written.on_conflict_do_update(index_elements=["key"], set_=row))
        if change.told:
            # Written again after a cancelled write that had gone through, it is the same note.
            which = f"{problem.key} {problem.event} {problem.began_at} {change.at} {change.over}"
            await self._put(of_problem(change), str(uuid5(_PROBLEMS, which)))

    async def concern(self, concern: Concern, at: datetime, *, cleared: bool) -> None:
        """Write the note that something needs a person, or no longer does."""
        which = f"{concern.key} {concern.since} {cleared}"
        await self._put(of_concern(concern, at, cleared=cleared), str(uuid5(_ATTENTION, f"{which} {at}")))

    def _wanting(self, note: Notification) -> list[str]:
        return [channel.name for channel in self._listening if channel.wants(note)]

    async def _put(self, note: Notification, note_id: str = "") -> None:
        if not (wanting := self._wanting(note)):
            return
        note_id = note_id or str(uuid4())
        row = {"id": note_id, "event": note.event, "at": note.at, "document": to_document(note, note_id)}
        written = upsert(notes).values(row).on_conflict_do_nothing().returning(notes.c.number)
        number = await self._db.scalar(written)
        if number is None:
            return
        await self._db.execute(insert(outbox), [{"channel": name, "note": number} for name in wanting])
        self.filled = True

    async def _state_of(self, order: Order) -> OrderState | None:
        here = and_(orders.c.account == order.account, orders.c.task_id == order.task_id)
        state: str | None = await self._db.scalar(select(orders.c.state).where(here))
        return None if state is None else OrderState(state)

    async def _names_of(self, of: Delivery) -> OrderNames:
        names = select(orders.c.project_name, orders.c.task_name)
        here = names.where(orders.c.account == of.account, orders.c.task_id == of.task_id)
        found = (await self._db.execute(here)).first()
        return OrderNames(of.account, of.task_id, *(found or (None, None)))

    async def _was_parked(self, delivery: Delivery) -> bool:
        """When it was tried last, as far as the history tells one attachment of a scene from another."""
        query = select(transitions.c.after, transitions.c.detail).where(
            transitions.c.account == delivery.account,
            transitions.c.task_id == delivery.task_id,
            transitions.c.capture_id == delivery.capture_id,
            transitions.c.scene_id == delivery.scene_id,
            transitions.c.subject == Subject.DELIVERY,
            transitions.c.after != DeliveryState.FETCHING,
        )
        last = (await self._db.execute(query.order_by(transitions.c.id.desc()).limit(1))).first()
        return last == (DeliveryState.PARKED, delivery.reason)


async def batch(db: AsyncConnection, channel: str, most: int) -> Sequence[OutboxItem]:
    query = (
        select(notes.c.number, notes.c.id, notes.c.document)
        .join_from(outbox, notes)
        .where(outbox.c.channel == channel)
        .order_by(notes.c.number)
        .limit(most)
    )
    return [OutboxItem(*row) for row in await db.execute(query)]


async def forget(db: AsyncConnection, which: ColumnElement[bool]) -> int:
    """Take rows out of the outbox, and the notes that nobody waits for any more; returns how many rows."""
    gone = await db.execute(delete(outbox).where(which))
    await db.execute(delete(notes).where(~exists().where(outbox.c.note == notes.c.number)))
    return gone.rowcount


async def failed(
    db: AsyncConnection, channel: str, failures: int, not_before: datetime | None, reason: str | None
) -> None:
    row = {"failures": failures, "not_before": not_before, "reason": reason}
    written = upsert(channels).values(channel=channel, **row)
    await db.execute(written.on_conflict_do_update(index_elements=["channel"], set_=row))
