"""The keeper's eye on the other hosts, and what it makes of their problems."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.databases import of_either_engine
from tests.logs import events
from tests.service.service_kit import age_beats

from orderwatch.core.cluster.hosts import Host
from orderwatch.core.cluster.shifts import KEEPER, account_shift
from orderwatch.db.repositories import Store, open_store
from orderwatch.service.cluster.host_watch import HostWatch
from orderwatch.service.notifications.problem_tracker import ProblemTracker

__all__ = ["events"]

LEASE = timedelta(seconds=30)
START = datetime(2026, 12, 1, tzinfo=UTC)


class Keeper:
    """One host's tracker of problems, fed with what the tests log."""

    def __init__(self, store: Store, events: LogCapture, name: str, *held: str) -> None:
        self.at = START
        self.store = store
        self.problems = ProblemTracker(store, now=self.now, settling=timedelta(minutes=15), host=name)
        self.problems.holds = held.__contains__
        self.agreements = 0
        self.watch = HostWatch(store.hosts, LEASE, self.problems, now=self.now, on_agreement=self.agree)
        self._events = events
        self._read = 0

    def now(self) -> datetime:
        return self.at

    async def wait(self, by: timedelta) -> None:
        self.at += by
        await age_beats(self.store, by)

    async def agree(self) -> None:
        self.agreements += 1

    async def log(self, event: str, **fields: object) -> None:
        self.problems.on_event(event, "warning", fields)
        await self.problems.flush()

    async def check(self) -> list[str]:
        """The events of one check, which reach the tracker."""
        before = len(self._events.entries)
        await self.watch.check()
        logged = self._events.entries[before:]
        for entry in logged:
            self.problems.on_event(entry["event"], "warning", {k: v for k, v in entry.items() if k == "host"})
        await self.problems.flush()
        return [f"{entry['event']} {entry['host']}" for entry in logged]

    async def open(self) -> list[str]:
        return sorted(problem.event for problem in (await self.store.outbox.problems()).values())


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(of_either_engine(tmp_path)) as opened:
        yield opened


async def beat(
    store: Store, name: str, at: datetime, digest: str = "same", accounts: Sequence[str] = ("main",)
) -> None:
    me = Host(host=name, boot=name, version="1", config_digest=digest, seen_at=at, accounts=accounts)
    await store.hosts.beat(me)


async def test_a_host_without_a_sign_of_life_is_a_problem_until_it_returns(
    store: Store, events: LogCapture
) -> None:
    keeper = Keeper(store, events, "one", KEEPER)
    await keeper.problems.load()
    await beat(store, "two", START)
    assert await keeper.check() == []
    await keeper.wait(LEASE)
    assert await keeper.check() == ["host.gone two"]
    assert await keeper.check() == []
    await beat(store, "two", keeper.at)
    assert await keeper.check() == ["host.returned two"]
    assert await keeper.open() == []


async def test_a_command_that_was_killed_is_forgotten_after_its_lease(
    store: Store, events: LogCapture
) -> None:
    keeper = Keeper(store, events, "one", KEEPER)
    await beat(store, "one (command 7)", START, accounts=())
    assert await keeper.check() == []
    assert [host.host for host in await store.hosts.reports(LEASE, keeper.at)] == ["one (command 7)"]
    await keeper.wait(LEASE)
    assert await store.hosts.reports(LEASE, keeper.at) == []
    assert await keeper.check() == []
    assert (await store.hosts.list_all(keeper.at))[0] == []


async def test_what_one_keeper_began_the_next_one_ends(store: Store, events: LogCapture) -> None:
    keeper = Keeper(store, events, "one", KEEPER)
    await keeper.problems.load()
    await beat(store, "two", START)
    await keeper.wait(LEASE)
    assert await keeper.check() == ["host.gone two"]
    following = Keeper(store, events, "three", KEEPER)
    following.at = keeper.at
    await following.problems.load()
    assert await following.check() == []
    await store.hosts.forget("two")
    assert await following.check() == ["host.forgotten two"]
    assert await following.open() == []


async def test_a_host_with_another_configuration_is_a_problem(store: Store, events: LogCapture) -> None:
    keeper = Keeper(store, events, "one", KEEPER)
    await keeper.problems.load()
    for name, digest in (("one", "same"), ("two", "same"), ("three", "other")):
        await beat(store, name, START, digest)
    assert await keeper.check() == ["host.differs three"]
    assert keeper.agreements == 0
    await beat(store, "three", START)
    assert await keeper.check() == ["host.agrees three"]
    assert keeper.agreements == 1


async def test_a_problem_of_a_host_names_it_and_ends_with_it(store: Store, events: LogCapture) -> None:
    one, two = Keeper(store, events, "one", KEEPER), Keeper(store, events, "two")
    await beat(store, "one", START)
    await beat(store, "two", START)
    for keeper in (one, two):
        await keeper.problems.load()
        await keeper.log("space.short", root="/tree", reason="full")
    assert await one.open() == ["space.short", "space.short"]
    await one.problems.refresh()
    await one.wait(LEASE)
    await beat(store, "one", one.at)
    assert await one.check() == ["host.gone two"]
    assert await one.open() == ["host.gone", "space.short"]


async def test_a_problem_of_an_account_is_ended_by_the_host_that_polls_it_now(
    store: Store, events: LogCapture
) -> None:
    one = Keeper(store, events, "one", account_shift("main"))
    two = Keeper(store, events, "two")
    for keeper in (one, two):
        await keeper.problems.load()
    await one.log("list.failed", account="main", reason="500")
    await two.problems.refresh()
    await two.problems.settle()
    assert await two.open() == ["list.failed"]
    two.problems.holds = {account_shift("main")}.__contains__
    await two.problems.refresh()
    await two.log("list.restored", account="main")
    assert await two.open() == []
    await one.problems.refresh()
    assert one.problems.find("list.failed") == []
