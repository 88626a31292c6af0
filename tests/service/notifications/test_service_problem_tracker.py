"""What began and has not ended: told at its begin and at its end, over restarts and a busy database."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.databases import of_either_engine

from orderwatch.core.database_location import DatabaseLocation
from orderwatch.core.notifications.notification import Channel
from orderwatch.core.notifications.problems import Problem, ProblemChange
from orderwatch.core.ordering.intent import Intent, IntentState
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.ordering.request import Request
from orderwatch.db.outbox import Outbox
from orderwatch.db.repositories import Store, open_store
from orderwatch.errors import DatabaseError
from orderwatch.service.notifications.problem_tracker import ProblemTracker

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SETTLING = timedelta(minutes=15)
MAIN: Mapping[str, object] = {"account": "main", "reason": "503"}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def read(self) -> datetime:
        return self.now


class Process:
    """One life of the process: what is open, and what was told so far."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.problems = ProblemTracker(store, now=clock.read, settling=SETTLING)

    async def says(self, event: str, **fields: object) -> None:
        self.problems.on_event(event, "info", fields)
        await self.problems.flush()

    @property
    def events(self) -> list[str]:
        return [problem.event for problem in self.problems.open.values()]

    async def told(self) -> list[tuple[object, object]]:
        items = await self.store.outbox.batch("all", 100)
        return [(item.document["event"], item.document["problem"]) for item in items]


@asynccontextmanager
async def process(database: DatabaseLocation, clock: Clock) -> AsyncIterator[Process]:
    async with open_store(database) as store:
        store.outbox.subscribe([Channel(name="all", events=("*",))])
        started = Process(store, clock)
        await started.problems.load()
        yield started


async def test_a_problem_is_told_when_it_begins_and_when_it_ends(database: DatabaseLocation) -> None:
    clock = Clock()
    async with process(database, clock) as life:
        await life.says("account.unavailable", **MAIN)
        await life.says("account.unavailable", **MAIN)
        assert life.events == ["account.unavailable"]
        clock.now += timedelta(hours=1)
        await life.says("account.recovered", account="main", lasted_seconds=1)
        assert life.events == []
        await life.says("account.recovered", account="main")
        began, ended = await life.store.outbox.batch("all", 9)
        assert began.document["problem"] == ended.document["problem"] == "account.unavailable"
        assert ended.document["lasted_seconds"] == 3600
        assert await life.store.outbox.problems() == {}


async def test_a_refusal_after_an_outage_is_the_same_problem_told_anew(database: DatabaseLocation) -> None:
    async with process(database, Clock()) as life:
        await life.says("account.unavailable", **MAIN)
        await life.says("account.refused", account="main", reason="401")
        await life.says("account.recovered", account="main")
        assert await life.told() == [
            ("problem.began", "account.unavailable"),
            ("problem.began", "account.refused"),
            ("problem.ended", "account.refused"),
        ]


async def test_what_begins_again_after_a_restart_is_not_told_again(database: DatabaseLocation) -> None:
    clock = Clock()
    async with process(database, clock) as first:
        await first.says("watch.empty", account="main", watch="x", orders=3)
    async with process(database, clock) as second:
        assert second.events == ["watch.empty"]
        await second.says("watch.empty", account="main", watch="x", orders=4)
        await second.problems.settle()
        await second.problems.flush()
        assert await second.told() == [("problem.began", "watch.empty")]
        await second.says("watch.matched", account="main", watch="x")
        assert len(await second.told()) == 2


async def test_what_is_heard_before_the_database_was_read_counts_too(database: DatabaseLocation) -> None:
    clock = Clock()
    async with process(database, clock) as first:
        await first.says("account.refused", **MAIN)
    async with open_store(database) as store:
        second = Process(store, clock)
        second.problems.on_event("account.still_troubled", "info", MAIN)
        await asyncio.sleep(0)
        await second.problems.load()
        await second.problems.settle()
        assert second.events == ["account.refused"]


async def test_what_does_not_begin_again_after_a_restart_is_over(database: DatabaseLocation) -> None:
    clock = Clock()
    async with process(database, clock) as first:
        await first.says("list.failed", **MAIN)
    clock.now += timedelta(hours=2)
    async with process(database, clock) as second:
        await second.problems.settle()
        await second.problems.flush()
        assert second.events == []
        assert (await second.told())[1] == ("problem.ended", "list.failed")


async def test_what_shows_itself_late_has_more_time_after_a_restart(database: DatabaseLocation) -> None:
    clock = Clock()
    async with process(database, clock) as first:
        for event in ("list.failed", "downloads.failing"):
            await first.says(event, **MAIN)
    async with process(database, clock) as second:
        now = asyncio.get_running_loop().time()
        await second.problems.settle(now + timedelta(hours=6).total_seconds())
        assert second.events == ["downloads.failing"]
        await second.problems.settle(now + timedelta(hours=8).total_seconds())
        assert second.events == []


async def test_what_is_written_again_is_the_same_note(database: DatabaseLocation) -> None:
    change = ProblemChange(Problem(key="k", event="clock.wrong", began_at=NOW, facts={}), NOW)
    async with open_store(database) as store:
        store.outbox.subscribe([Channel(name="all", events=("*",))])
        await store.outbox.record_problems([change])
        await store.outbox.record_problems([change, change._replace(over=True)])
        items = await store.outbox.batch("all", 10)
    assert [item.document["event"] for item in items] == ["problem.began", "problem.ended"]


async def test_what_is_doubted_at_a_reload_may_begin_again(database: DatabaseLocation) -> None:
    async with process(database, Clock()) as life:
        for event in ("list.failed", "account.refused"):
            await life.says(event, **MAIN)
        life.problems.require_confirmation(lambda problem: problem.event == "list.failed")
        await life.problems.settle()
        assert life.events == ["account.refused"]


async def test_another_thread_may_be_heard(database: DatabaseLocation) -> None:
    async with process(database, Clock()) as life:
        await asyncio.to_thread(life.problems.on_event, "clock.wrong", "warning", {"ahead_seconds": 90})
        await life.problems.flush()
        assert await life.told() == [("problem.began", "clock.wrong")]


async def test_a_busy_database_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    class Busy(Outbox):
        refusals = 2

        async def record_problems(self, changes: Sequence[ProblemChange]) -> None:
            self.refusals -= 1
            if self.refusals >= 0:
                raise DatabaseError("locked")
            await super().record_problems(changes)

    async with open_store(of_either_engine(tmp_path)) as store:
        store.outbox.__class__ = Busy
        store.outbox.subscribe([Channel(name="all", events=("*",))])
        life = Process(store, Clock())
        await life.problems.load()
        life.problems.on_event("clock.wrong", "warning", {})
        for _ in range(2):
            life.problems.on_event("list.failed", "warning", MAIN)
            try:
                await life.problems.flush()
            except DatabaseError:
                assert "clock.wrong" in life.events
        life.problems.on_event("clock.right", "info", {})
        await life.problems.flush()
        assert await life.told() == [
            ("problem.began", "clock.wrong"),
            ("problem.began", "list.failed"),
            ("problem.ended", "clock.wrong"),
        ]


async def test_an_unclear_order_lasts_over_restarts_until_a_command_settles_it(
    database: DatabaseLocation,
) -> None:
    clock = Clock()
    request = Request(
        task_name="Quay 5",
        project_name="Harbour",
        product=169,
        target={"type": "Point", "coordinates": [1.0, 2.0]},
        start=NOW,
        end=NOW + timedelta(days=5),
    )
    intent = Intent(
        account="main",
        request=request,
        provenance=Provenance(who="me"),
        written_at=NOW,
        state=IntentState.UNCLEAR,
    )
    said = {"account": "main", "task_name": "Quay 5", "project_name": "Harbour", "reason": "cut"}
    async with process(database, clock) as first:
        kept = await first.store.intents.add(intent, NOW)
        await first.says("intent.unclear", **said)
    async with process(database, clock) as second:
        await second.problems.settle()
        assert second.events == ["intent.unclear"]
        assert kept is not None
        await second.store.intents.update(kept, replace(kept, state=IntentState.FORGOTTEN))
        await second.problems.review()
        assert second.events == []
