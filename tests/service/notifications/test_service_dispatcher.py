"""Channels are told in order and at least once; one that fails or hangs delays nobody else."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import LogCapture
from tests.db.kit import a_move, an_order
from tests.notifiers.receiver import Receiver, receiver
from tests.patience import PATIENCE

from orderwatch.core.database_location import DatabaseLocation
from orderwatch.core.notifications.notification import Channel, OutboxItem
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import Store, open_store
from orderwatch.errors import DatabaseError
from orderwatch.notifiers.webhook import Settings, connect
from orderwatch.service.notifications.dispatcher import Dispatcher
from orderwatch.service.wakeup import Wakeup

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass
class Time:
    """Whoever sleeps finds that the time has passed at once."""

    now: datetime = NOW
    rests: list[float] = field(default_factory=list)

    def read(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)


@dataclass
class House:
    store: Store
    news: Wakeup
    time: Time

    @asynccontextmanager
    async def telling(self, there: Receiver, channel: str = "one") -> AsyncIterator[Dispatcher]:
        settings = Settings(read_url=lambda: there.url, allow_private=True)
        async with connect(settings, self.time.read) as webhook:
            yield Dispatcher(
                channel,
                webhook,
                self.store.outbox,
                gather=timedelta(seconds=1),
                now=self.time.read,
                rng=random.Random(1),
                sleep=self.time.sleep,
            )

    async def happens(self, *words: str, task_id: int = 1) -> None:
        known = await self.store.orders.get("main", str(task_id))
        moves = tuple(a_move(word, task_id) for word in words)
        await self.store.orders.save(Verdict(order=known or an_order(task_id), transitions=moves))

    async def all_told(self) -> None:
        while await self.store.outbox.pending():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def house(database: DatabaseLocation) -> AsyncIterator[House]:
    async with open_store(database) as store:
        news = Wakeup()
        store.outbox.subscribe([Channel(name=name, events=("*",)) for name in ("one", "two")], news.trigger)
        await store.outbox.retain(["one", "two"])
        yield House(store, news, Time())


@asynccontextmanager
async def running(*dispatchers: Dispatcher, news: Wakeup) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(dispatcher.run(news)) for dispatcher in dispatchers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def ids(there: Receiver) -> list[str]:
    """As they came first."""
    return list(dict.fromkeys(one for request in there.heard for one in request.ids))


def said(events: LogCapture) -> list[str]:
    return [line["event"] for line in events.entries]


async def test_a_webhook_that_fails_for_a_while_is_told_everything_in_order_with_equal_ids(
    database: DatabaseLocation, events: LogCapture
) -> None:
    async with house(database) as home, receiver(500, 302, 503, 500) as there, receiver() as other:
        home.store.outbox.subscribe([Channel(name="one", events=("*",))], home.news.trigger)
        async with home.telling(there) as dispatcher, running(dispatcher, news=home.news):
            for number in range(5):
                await home.happens(f"word {number}", task_id=number % 2 + 1)
                await asyncio.sleep(0.01)
            await asyncio.wait_for(home.all_told(), PATIENCE)
        assert other.heard == []
    first = there.heard[0]
    assert [request.ids for request in there.heard[:5]] == [first.ids] * 5
    assert len({request.headers["webhook-id"] for request in there.heard[:5]}) == 1
    assert len(ids(there)) == 5
    assert said(events) == ["notify.failing", "notify.restored"]


async def test_notes_come_in_the_order_in_which_things_happened(database: DatabaseLocation) -> None:
    async with house(database) as home, receiver(500) as there, home.telling(there) as dispatcher:
        await home.happens("a", "b")
        await home.happens("c", task_id=2)
        expected = [item.id for item in await home.store.outbox.batch("one", 9)]
        assert await dispatcher.drain() == "127.0.0.1 answers 500"
        await home.happens("d")
        assert await dispatcher.drain() is None
        await home.store.outbox.mark_sent("two", await home.store.outbox.batch("two", 9))
        assert ids(there)[:3] == expected
        assert there.heard[0].ids == there.heard[1].ids == expected


async def test_a_channel_that_hangs_delays_no_other(database: DatabaseLocation) -> None:
    async with (
        house(database) as home,
        receiver(None) as hanging,
        receiver() as there,
        home.telling(hanging, "one") as stuck,
        home.telling(there, "two") as quick,
        running(stuck, quick, news=home.news),
    ):
        await home.happens("a")
        await asyncio.wait_for(hanging.came.wait(), PATIENCE)
        await home.happens("b")
        while (await home.store.outbox.pending()) != {"one": 2}:
            await asyncio.sleep(0.005)
    assert len(ids(hanging)) == 1
    assert len(ids(there)) == 2


async def test_a_crash_between_sending_and_writing_repeats_the_same_ids(database: DatabaseLocation) -> None:
    async with receiver() as there:
        async with house(database) as home, home.telling(there) as dispatcher:
            await home.happens("a")

            async def crash(channel: str, items: Sequence[OutboxItem]) -> None:
                raise ZeroDivisionError(channel, items)

            home.store.outbox.mark_sent = crash  # type: ignore[method-assign, assignment]  # the power goes here
            with pytest.raises(ZeroDivisionError):
                await dispatcher.send_batch()
        async with house(database) as home, home.telling(there) as dispatcher:
            await dispatcher.drain()
            assert await home.store.outbox.pending() == {"two": 1}
    first, second = there.heard
    assert first.ids == second.ids
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


async def test_a_database_that_others_hold_ends_no_teller(database: DatabaseLocation) -> None:
    async with house(database) as home, receiver() as there, home.telling(there) as dispatcher:
        home.store.outbox.subscribe([Channel(name="one", events=("*",))], home.news.trigger)
        await home.happens("a")
        delivered, refusals = home.store.outbox.mark_sent, iter([DatabaseError("locked")])

        async def busy(channel: str, items: Sequence[OutboxItem]) -> None:
            if (refusal := next(refusals, None)) is not None:
                raise refusal
            await delivered(channel, items)

        home.store.outbox.mark_sent = busy  # type: ignore[method-assign, assignment]  # the file is locked once
        async with running(dispatcher, news=home.news):
            await asyncio.wait_for(home.all_told(), PATIENCE)
    assert [request.ids for request in there.heard] == [there.heard[0].ids] * 2


async def test_nothing_is_told_twice_of_a_look_that_shows_nothing_new(database: DatabaseLocation) -> None:
    async with house(database) as home, receiver() as there, home.telling(there) as dispatcher:
        await home.happens("a")
        await dispatcher.drain()
        await home.happens()
        await dispatcher.drain()
        assert len(there.heard) == 1


async def test_pauses_grow_up_to_an_hour_and_outlive_a_restart(
    database: DatabaseLocation, events: LogCapture
) -> None:
    async with receiver(*[500] * 15) as there:
        async with house(database) as home, home.telling(there) as dispatcher:
            await home.happens("a")
            pauses = []
            for _ in range(14):
                await dispatcher.send_batch()
                state = await home.store.outbox.state("one")
                assert state.not_before is not None
                pauses.append((state.not_before - home.time.now).total_seconds())
        assert all(0.5 * 5 * 2**n <= pause <= 5 * 2**n for n, pause in enumerate(pauses[:9]))
        assert all(1800 <= pause <= 3600 for pause in pauses[10:])
        async with house(database) as home, home.telling(there) as dispatcher:
            async with running(dispatcher, news=home.news):
                while len(there.heard) < 16:
                    await asyncio.sleep(0.005)
                await home.store.outbox.mark_sent("two", await home.store.outbox.batch("two", 9))
                await asyncio.wait_for(home.all_told(), PATIENCE)
            assert 1700 <= home.time.rests[0] <= 3600
    assert said(events) == ["notify.failing", "notify.still_failing", "notify.restored"]


async def test_a_receiver_that_asks_to_wait_is_left_alone_so_long(database: DatabaseLocation) -> None:
    async with (
        house(database) as home,
        receiver(429, Retry_After="600") as there,
        home.telling(there) as dispatcher,
    ):
        await home.happens("a")
        await dispatcher.send_batch()
        assert (await home.store.outbox.state("one")).not_before == NOW + timedelta(seconds=600)


async def test_notes_that_are_too_old_are_dropped_and_said(
    database: DatabaseLocation, events: LogCapture
) -> None:
    async with house(database) as home, receiver(500, 500) as there, home.telling(there) as dispatcher:
        await home.happens("old", "old too")
        await dispatcher.send_batch()
        home.time.now += timedelta(days=15)
        await dispatcher.send_batch()
        assert await home.store.outbox.pending() == {"two": 2}
    assert said(events) == ["notify.failing", "notify.dropped"]
    assert events.entries[1]["count"] == 2


async def test_at_most_a_hundred_notes_go_at_once(database: DatabaseLocation) -> None:
    async with house(database) as home, receiver() as there, home.telling(there) as dispatcher:
        await home.happens(*map(str, range(101)))
        await dispatcher.drain()
    assert [len(request.ids) for request in there.heard] == [100, 1]


async def test_a_notifier_that_never_comes_back_is_a_failure(database: DatabaseLocation) -> None:
    class Hanging:
        async def send(self, items: Sequence[OutboxItem]) -> None:
            raise TimeoutError(items)

    async with house(database) as home:
        await home.happens("a")
        dispatcher = Dispatcher(
            "one", Hanging(), home.store.outbox, gather=timedelta(0), now=home.time.read, rng=random.Random(1)
        )
        assert await dispatcher.drain() == "the channel takes too long"


@dataclass
class Odd:
    """A channel with an error of our own for some notes: those that tell of these orders."""

    orders: set[object]
    sent: list[object] = field(default_factory=list)

    async def send(self, items: Sequence[OutboxItem]) -> None:
        told = [item.document["task_id"] for item in items]
        if self.orders & set(told):
            raise KeyError("canary")
        self.sent += told


@pytest.mark.parametrize(
    ("odd", "sent", "events_said"),
    [
        ({2}, [1, 3], ["notify.dropped"]),
        ({1, 2, 3}, [], ["notify.failing"]),
    ],
    ids=["one note", "the channel"],
)
async def test_an_error_of_our_own_costs_one_note_or_the_channel_alone(
    database: DatabaseLocation,
    events: LogCapture,
    odd: set[object],
    sent: list[object],
    events_said: list[str],
) -> None:
    async with house(database) as home:
        for task_id in (1, 2, 3):
            await home.happens("a", task_id=task_id)
        channel, rng = Odd(odd), random.Random(1)
        dispatcher = Dispatcher(
            "one", channel, home.store.outbox, gather=timedelta(), now=home.time.read, rng=rng
        )
        reason = await dispatcher.drain()
        assert channel.sent == sent
        assert (reason is None) is bool(sent)
        assert len(await home.store.outbox.batch("one", 9)) == (0 if sent else 3)
        assert [name for name in said(events) if name != "error.unexpected"] == events_said
        channel.orders.clear()
        if not sent:
            home.time.now += timedelta(hours=1)
            assert await dispatcher.drain() is None
            assert channel.sent == [1, 2, 3]


async def test_a_note_that_an_error_of_our_own_falls_on_holds_up_none_that_comes_after(
    database: DatabaseLocation, events: LogCapture
) -> None:
    sent: list[str] = []

    class Odd:
        async def send(self, items: Sequence[OutboxItem]) -> None:
            if any("odd" in str(item) for item in items):
                raise LookupError
            sent.extend(item.id for item in items)

    async with house(database) as home:
        dispatcher = Dispatcher(
            "one",
            Odd(),
            home.store.outbox,
            gather=timedelta(0),
            now=home.time.read,
            rng=random.Random(1),
            sleep=home.time.sleep,
        )
        await home.happens("odd")
        assert await dispatcher.drain() is not None
        await home.happens("fine")
        assert await dispatcher.drain() is None
        assert len(sent) == 1
        assert "notify.dropped" in said(events)
