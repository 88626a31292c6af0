"""The beat of several hosts on one database, each with its own clock."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.databases import of_either_engine
from tests.logs import events
from tests.service.service_kit import age_beats

from orderwatch.core.cluster.hosts import Host, HostState
from orderwatch.core.cluster.shifts import KEEPER, account_shift, channel_shift
from orderwatch.db.repositories import Store, open_store
from orderwatch.service.cluster.beat import Beat
from orderwatch.service.cluster.own_lease import OwnLease
from orderwatch.service.cluster.roster import SharedRoster

__all__ = ["events"]

LEASE = timedelta(seconds=30)
START = datetime(2026, 12, 1, tzinfo=UTC)
ACCOUNTS = ["a", "b", "c", "d"]


class Cluster:
    """Hosts of one configuration; time passes for all of them alike."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.at = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.at)

    def host(self, name: str, digest: str = "same", version: str = "1") -> "Member":
        me = Host(
            host=name,
            boot=f"boot of {name}",
            version=version,
            config_digest=digest,
            seen_at=START,
            accounts=ACCOUNTS,
            channels=["hook"],
        )
        lease = OwnLease(LEASE, steady=lambda: self.at)
        roster = SharedRoster(self.store.shifts, me.boot, lease, now=self.now)
        hosts, deliveries = self.store.hosts, self.store.deliveries
        return Member(roster, lease, Beat(hosts, deliveries, lambda: me, lease, roster, now=self.now))

    async def wait(self, seconds: float) -> None:
        self.at += seconds
        await age_beats(self.store, timedelta(seconds=seconds))

    async def states(self) -> dict[str, HostState]:
        return {seen.host: seen.state for seen in await self.store.hosts.reports(LEASE, self.now())}


class Member:
    """One host, beat by beat."""

    def __init__(self, roster: SharedRoster, lease: OwnLease, beat: Beat) -> None:
        self.roster = roster
        self.lease = lease
        self._beat = beat

    async def beat(self) -> list[str]:
        await self._beat.beat()
        await self.roster.hand_over()
        return self.accounts

    @property
    def accounts(self) -> list[str]:
        return [name for name in ACCOUNTS if self.roster.holds(account_shift(name))]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with open_store(of_either_engine(tmp_path)) as store:
        yield Cluster(store)


async def test_accounts_move_when_a_host_joins_and_when_one_leaves(cluster: Cluster) -> None:
    one, two = cluster.host("one"), cluster.host("two")
    assert await one.beat() == ACCOUNTS
    await two.beat()
    first, second = await one.beat(), await two.beat()
    assert sorted(first + second) == ACCOUNTS
    assert len(first) == len(second) == 2
    await cluster.store.hosts.leave("boot of two")
    assert await one.beat() == ACCOUNTS


async def test_the_accounts_of_a_killed_host_move_after_its_lease_and_not_before(cluster: Cluster) -> None:
    one, two = cluster.host("one"), cluster.host("two")
    for host in (one, two, one, two):
        await host.beat()
    await cluster.wait(LEASE.total_seconds() - 5)
    assert len(await two.beat()) == 2
    await cluster.wait(5)
    assert await two.beat() == ACCOUNTS
    assert await cluster.states() == {"one": HostState.GONE, "two": HostState.RUNNING}


async def test_a_host_that_cannot_beat_holds_nothing_before_another_one_could(cluster: Cluster) -> None:
    one = cluster.host("one")
    await one.beat()
    cluster.at += LEASE.total_seconds() * 0.9
    assert one.accounts == []
    assert one.roster.fence(KEEPER) is None
    assert await one.beat() == ACCOUNTS


async def test_a_host_that_is_to_give_an_account_away_stops_its_work_first(cluster: Cluster) -> None:
    one, two = cluster.host("one"), cluster.host("two")
    for host in (one, two):
        await host.beat()
    await one._beat.beat()
    kept = one.accounts
    assert len(kept) == 2
    assert await two.beat() == []
    await one.roster.hand_over()
    assert await two.beat() == sorted(set(ACCOUNTS) - set(kept))


async def test_every_channel_has_one_dispatcher_and_maintenance_one_host(cluster: Cluster) -> None:
    hosts = [cluster.host(name) for name in ("one", "two", "three")]
    for host in (*hosts, *hosts):
        await host.beat()
    for shift in (KEEPER, channel_shift("hook")):
        assert sum(host.roster.holds(shift) for host in hosts) == 1


async def test_a_host_with_another_configuration_or_version_is_seen(cluster: Cluster) -> None:
    for host in (
        cluster.host("one"),
        cluster.host("two"),
        cluster.host("three"),
        cluster.host("four", digest="other"),
        cluster.host("five", version="0"),
    ):
        await host.beat()
    assert await cluster.states() == {
        "one": HostState.RUNNING,
        "two": HostState.RUNNING,
        "three": HostState.RUNNING,
        "four": HostState.OTHER_CONFIGURATION,
        "five": HostState.OTHER_VERSION,
    }


async def test_a_lease_that_ends_is_logged_once_and_once_when_it_lasts_again(
    cluster: Cluster, events: LogCapture
) -> None:
    one, ended = cluster.host("one"), asyncio.Event()
    await one.beat()

    async def pass_time(seconds: float) -> None:
        cluster.at += seconds
        if cluster.at > 3 * LEASE.total_seconds():
            raise asyncio.CancelledError
        if cluster.at > 2 * LEASE.total_seconds():
            one.lease.renew(cluster.at)

    with pytest.raises(asyncio.CancelledError):
        await one.lease.watch(ended.set, pass_time)
    assert ended.is_set()
    assert [e["event"] for e in events.entries if str(e["event"]).startswith("host.")] == [
        "host.cut_off",
        "host.rejoined",
    ]
