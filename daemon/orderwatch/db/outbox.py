"""The outbox: notifications written in the transaction of what they report, kept until channels sent them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID, uuid4, uuid5

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, select

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
from orderwatch.core.notifications.problems import Problem, ProblemChange
from orderwatch.core.order_names import OrderNames
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.database import Database
from orderwatch.db.engines.upserts import upsert
from orderwatch.db.tables import channels, notes, orders, outbox, problems, transitions
from orderwatch.ports import ChannelState

R = TypeVar("R")

OPEN_PROBLEMS = select(problems).order_by(problems.c.began_at, problems.c.key)
_PROBLEM_NAMESPACE = UUID("6f1f7a0e-5b0c-4b57-9d6e-2f6f0a3c9b11")
_ATTENTION_NAMESPACE = UUID("0c1b52c4-52d0-4e4e-8d0a-3f0f4a9d6c55")


@dataclass(slots=True)
class Subscribers:
    """The channels that get notifications, and what wakes their dispatchers."""

    channels: Sequence[Channel] = ()
    wake: Callable[[], object] = bool


class Outbox:
    """`ports.Outbox` over SQLite."""

    def __init__(self, database: Database, subscribers: Subscribers | None = None) -> None:
        self._database = database
        self.subscribers = subscribers or Subscribers()

    def subscribe(self, subscribed: Sequence[Channel], wake: Callable[[], object] = bool) -> None:
        self.subscribers.channels, self.subscribers.wake = tuple(subscribed), wake

    async def write(self, work: Callable[[Connection, "Notifications"], R]) -> R:
        """Run a unit of work that writes notifications too; wake the subscriber after it, if it wrote any."""
        notifications: Notifications | None = None

        def unit(db: Connection) -> R:
            nonlocal notifications
            notifications = Notifications(db, self.subscribers.channels)
            return work(db, notifications)

        def wake() -> None:
            if notifications is not None and notifications.written:
                self.subscribers.wake()

        return await self._database.write(unit, on_commit=wake)

    async def batch(self, channel: str, limit: int) -> Sequence[OutboxItem]:
        query = (
            select(notes.c.number, notes.c.id, notes.c.document)
            .join_from(outbox, notes)
            .where(outbox.c.channel == channel)
            .order_by(notes.c.number)
            .limit(limit)
        )
        return [OutboxItem(**row) for row in await self._database.rows(query)]

    async def mark_sent(self, channel: str, items: Collection[OutboxItem]) -> None:
        sent = and_(outbox.c.channel == channel, outbox.c.note.in_([item.number for item in items]))

        def work(db: Connection) -> None:
            _remove(db, sent)
            db.execute(delete(channels).where(channels.c.channel == channel))

        await self._database.write(work)

    async def save_state(self, channel: str, state: ChannelState) -> None:
        row = state._asdict()
        statement = upsert(channels).values(channel=channel, **row)
        await self._database.execute(statement.on_conflict_do_update(index_elements=["channel"], set_=row))

    async def discard(self, channel: str, before: datetime) -> int:
        old = select(notes.c.number).where(notes.c.at < before)
        return await self._database.write(
            lambda db: _remove(db, and_(outbox.c.channel == channel, outbox.c.note.in_(old)))
        )

    async def retain(self, names: Collection[str]) -> None:
        def work(db: Connection) -> None:
            _remove(db, outbox.c.channel.not_in(names))
            db.execute(delete(channels).where(channels.c.channel.not_in(names)))

        await self._database.write(work)

    async def state(self, channel: str) -> ChannelState:
        query = select(*(channels.c[name] for name in ChannelState._fields))
        rows = await self._database.rows(query.where(channels.c.channel == channel))
        return ChannelState(**rows[0]) if rows else ChannelState()

    async def pending(self) -> Mapping[str, int]:
        query = select(outbox.c.channel, func.count().label("count")).group_by(outbox.c.channel)
        return {row["channel"]: row["count"] for row in await self._database.rows(query)}

    async def problems(self) -> Mapping[str, Problem]:
        return {row["key"]: Problem(**row) for row in await self._database.rows(OPEN_PROBLEMS)}

    async def record_problems(self, changes: Sequence[ProblemChange]) -> None:
        def work(_: Connection, notifications: Notifications) -> None:
            for change in changes:
                notifications.problem_changes(change)

        await self.write(work)


class Notifications:
    """The notifications of one transaction; nothing is written, or read, that no channel subscribes to."""

    def __init__(self, db: Connection, subscribed: Sequence[Channel]) -> None:
        self._db = db
        self._channels = subscribed
        self.written = False

    def order_changes(self, verdict: Verdict) -> None:
        """To be called before the order is written, since its row still has the former state."""
        if self._channels:
            is_done = verdict.order.state is OrderState.DONE
            before = self._state_of(verdict.order) if is_done else None
            for notification in of_verdict(verdict, before):
                self._write(notification)

    def delivery_changes(self, update: DeliveryUpdate) -> None:
        """To be called before the delivery is written. Parked again for the same reason is not reported."""
        if not self._channels or update.transition is None:
            return
        notification = of_delivery(update, self._names_of(update.delivery))
        if notification is None or not self._subscribers(notification):
            return
        if update.delivery.state is DeliveryState.PARKED and self._was_parked(update.delivery):
            return
        self._write(notification)

    def problem_changes(self, change: ProblemChange) -> None:
        """Write the problem too, or remove it when it is over."""
        problem = change.problem
        if change.over:
            self._db.execute(delete(problems).where(problems.c.key == problem.key))
        else:
            row = {"event": problem.event, "began_at": problem.began_at, "facts": dict(problem.facts)}
            statement = upsert(problems).values(key=problem.key, **row)
            self._db.execute(statement.on_conflict_do_update(index_elements=["key"], set_=row))
        if change.notify:
            # Written again after a cancelled write that was committed, the notification has the same id.
            name = f"{problem.key} {problem.event} {problem.began_at} {change.at} {change.over}"
            self._write(of_problem(change), str(uuid5(_PROBLEM_NAMESPACE, name)))

    def concern_changes(self, concern: Concern, at: datetime, *, cleared: bool) -> None:
        """Report that something needs a person, or no longer does."""
        name = f"{concern.key} {concern.since} {cleared} {at}"
        notification = of_concern(concern, at, cleared=cleared)
        self._write(notification, str(uuid5(_ATTENTION_NAMESPACE, name)))

    def _subscribers(self, notification: Notification) -> list[str]:
        return [channel.name for channel in self._channels if channel.wants(notification)]

    def _write(self, notification: Notification, notification_id: str = "") -> None:
        if not (subscribers := self._subscribers(notification)):
            return
        new_id = notification_id or str(uuid4())
        row = {
            "id": new_id,
            "event": notification.event,
            "at": notification.at,
            "document": to_document(notification, new_id),
        }
        statement = upsert(notes).values(row).on_conflict_do_nothing().returning(notes.c.number)
        number = self._db.scalar(statement)
        if number is None:
            return
        self._db.execute(insert(outbox), [{"channel": name, "note": number} for name in subscribers])
        self.written = True

    def _state_of(self, order: Order) -> OrderState | None:
        here = and_(orders.c.account == order.account, orders.c.order_id == order.order_id)
        state: str | None = self._db.scalar(select(orders.c.state).where(here))
        return None if state is None else OrderState(state)

    def _names_of(self, delivery: Delivery) -> OrderNames:
        names = select(orders.c.task_id, orders.c.project_name, orders.c.task_name).where(
            orders.c.account == delivery.account, orders.c.order_id == delivery.order_id
        )
        found = (self._db.execute(names)).first()
        return OrderNames(delivery.account, delivery.order_id, *(found or (delivery.task_id, None, None)))

    def _was_parked(self, delivery: Delivery) -> bool:
        """Whether its last attempt ended so, as far as the history distinguishes a scene's attachments."""
        query = select(transitions.c.after, transitions.c.detail).where(
            transitions.c.account == delivery.account,
            transitions.c.order_id == delivery.order_id,
            transitions.c.capture_id == delivery.capture_id,
            transitions.c.scene_id == delivery.scene_id,
            transitions.c.subject == Subject.DELIVERY,
            transitions.c.after != DeliveryState.FETCHING,
        )
        last = (self._db.execute(query.order_by(transitions.c.id.desc()).limit(1))).first()
        return last == (DeliveryState.PARKED, delivery.reason)


def _remove(db: Connection, which: ColumnElement[bool]) -> int:
    """Remove these rows and return how many; notifications that no channel waits for go too."""
    removed = db.execute(delete(outbox).where(which))
    db.execute(delete(notes).where(~exists().where(outbox.c.note == notes.c.number)))
    return removed.rowcount
