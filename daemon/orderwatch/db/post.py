"""What of the store those need who tell: channels, their notes, and the problems that last."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import and_, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orderwatch.core.attention.concern import Changes, Concern
from orderwatch.core.model import Transition
from orderwatch.core.notifications.notification import Channel, OutboxItem
from orderwatch.core.notifications.problems import ProblemChange
from orderwatch.db import attention
from orderwatch.db import outbox as statements
from orderwatch.db.maintenance import Upkeep
from orderwatch.db.outbox import Outbox
from orderwatch.db.patience import reading, writing
from orderwatch.db.tables import channels, notes, outbox
from orderwatch.db.writes import remember
from orderwatch.ports import ChannelState


class Post(Upkeep):
    """The part of the store that notes go through."""

    _listening: Sequence[Channel] = ()

    def tell(self, listening: Sequence[Channel], ring: Callable[[], object] = bool) -> None:
        """From now on notes are written for these channels; `ring` is called when some were."""
        self._listening = tuple(listening)
        self._ring = ring

    @asynccontextmanager
    async def _telling(self) -> AsyncIterator[tuple[AsyncConnection, Outbox]]:
        async with self._transaction() as db:
            outgoing = Outbox(db, self._listening)
            yield db, outgoing
        if outgoing.filled:
            self._ring()

    @writing
    async def note_problems(self, changes: Sequence[ProblemChange]) -> None:
        """Keep what began and forget what is over, with the notes of both, in one transaction."""
        async with self._telling() as (_, outgoing):
            for change in changes:
                await outgoing.problem(change)

    @writing
    async def note_attention(self, changes: Changes, at: datetime) -> None:
        """Record what needs a person and what no longer does, with the notes of both, in one transaction."""
        async with self._telling() as (db, outgoing):
            await attention.remove(db, [*(c.key for c in changes.cleared), *changes.forgotten])
            await attention.add(db, changes.raised)
            for concern in changes.cleared:
                await outgoing.concern(concern, at, cleared=True)
            for concern in changes.raised:
                await outgoing.concern(concern, at, cleared=False)

    @writing
    async def acknowledge(
        self, concerns: Collection[Concern], moves: Sequence[Transition], at: datetime
    ) -> None:
        """Record that a person knows of these, with the moves that tell it in the orders' histories."""
        async with self._transaction() as db:
            known = await attention.raised(db)
            await attention.add(db, [concern for concern in concerns if concern.key not in known])
            await attention.acknowledge(db, [concern.key for concern in concerns], at)
            await remember(db, moves)

    @reading
    async def batch(self, channel: str, most: int) -> Sequence[OutboxItem]:
        """The notes that the channel was not told yet, oldest first."""
        async with self._snapshot() as db:
            return await statements.batch(db, channel, most)

    @writing
    async def delivered(self, channel: str, items: Collection[OutboxItem]) -> None:
        """The channel has them, and is in no trouble."""
        ours = and_(outbox.c.channel == channel, outbox.c.note.in_([item.number for item in items]))
        async with self._transaction() as db:
            await statements.forget(db, ours)
            await db.execute(delete(channels).where(channels.c.channel == channel))

    @writing
    async def undelivered(self, channel: str, state: ChannelState) -> None:
        """The channel takes nothing."""
        async with self._transaction() as db:
            await statements.failed(db, channel, *state)

    @writing
    async def drop(self, channel: str, before: datetime) -> int:
        """Give up notes of the channel that are older; returns how many."""
        old = select(notes.c.number).where(notes.c.at < before)
        async with self._transaction() as db:
            return await statements.forget(db, and_(outbox.c.channel == channel, outbox.c.note.in_(old)))

    @writing
    async def keep_channels(self, names: Collection[str]) -> None:
        """Forget every other channel, with what it was not told."""
        async with self._transaction() as db:
            await statements.forget(db, outbox.c.channel.not_in(names))
            await db.execute(delete(channels).where(channels.c.channel.not_in(names)))

    @reading
    async def channel(self, name: str) -> ChannelState:
        """Its trouble, kept over restarts."""
        query = select(channels.c.failures, channels.c.not_before, channels.c.reason)
        async with self._snapshot() as db:
            row = (await db.execute(query.where(channels.c.channel == name))).first()
        return ChannelState(*row) if row else ChannelState()

    @reading
    async def pending(self) -> Mapping[str, int]:
        """How many notes wait, by channel; those without any are not named."""
        query = select(outbox.c.channel, func.count()).group_by(outbox.c.channel)
        async with self._snapshot() as db:
            return {row[0]: row[1] for row in await db.execute(query)}
