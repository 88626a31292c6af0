"""Shifts in the rows: who holds what, and that nobody writes under a shift that another host holds."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update
from tests.databases import new_database

from orderwatch.core.cluster.shifts import KEEPER, account_shift
from orderwatch.db.cluster.shifts import Shifts, fence_check
from orderwatch.db.repositories import Store, guarded, open_store
from orderwatch.db.tables import hosts
from orderwatch.errors import LostShiftError

NOW = datetime(2026, 12, 1, tzinfo=UTC)
LEASE = timedelta(seconds=30)
MAIN, OTHER = account_shift("main"), account_shift("other")


class Cluster:
    """Hosts on one database, each at its own time."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.shifts = Shifts(store.database)

    async def join(self, boot: str, at: datetime = NOW) -> None:
        facts = {"accounts": ["main", "other"], "channels": []}
        row = {"host": boot, "boot": boot, "version": "1", "config_digest": "", "facts": facts}
        await self.store.database.execute(insert(hosts).values(**row, seen_at=at))

    async def beat(self, boot: str, at: datetime = NOW) -> dict[str, int]:
        seen = update(hosts).where(hosts.c.boot == boot).values(seen_at=at)
        await self.store.database.execute(seen)
        duty = await self.shifts.renew(boot, LEASE, at)
        await self.shifts.give(boot, duty.give, LEASE, at)
        return {name: fence for name, fence in duty.held.items() if name not in duty.give}


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with open_store(new_database(tmp_path)) as store:
        yield Cluster(store)


async def test_a_host_that_joins_gets_its_part_and_every_shift_has_one_holder(cluster: Cluster) -> None:
    await cluster.join("a")
    assert len(await cluster.beat("a")) == 4
    await cluster.join("b")
    first, second = await cluster.beat("a"), await cluster.beat("b")
    assert len(first) == len(second) == 2
    assert not first.keys() & second.keys()
    assert sorted(await cluster.shifts.holders()) == sorted([*first, *second])


async def test_the_shifts_of_a_host_that_does_not_beat_are_taken_when_its_lease_is_over(
    cluster: Cluster,
) -> None:
    await cluster.join("a")
    held = await cluster.beat("a")
    await cluster.join("b", NOW + LEASE / 2)
    assert await cluster.beat("b", NOW + LEASE / 2) == {}
    taken = await cluster.beat("b", NOW + LEASE)
    assert taken == {name: fence + 1 for name, fence in held.items()}


async def test_a_host_that_was_paused_beyond_its_lease_holds_nothing_and_writes_nothing(
    cluster: Cluster,
) -> None:
    await cluster.join("a")
    before = await cluster.beat("a")
    await cluster.join("b", NOW + LEASE)
    await cluster.beat("b", NOW + LEASE)
    zombie = guarded(cluster.store, fence_check(MAIN, lambda: before[MAIN]))
    with pytest.raises(LostShiftError):
        await zombie.accounts.mark_listed("main", NOW, [])
    assert "main" not in await cluster.store.accounts.states()
    assert await zombie.accounts.states() == {}


async def test_the_holder_writes_under_its_shift(cluster: Cluster) -> None:
    await cluster.join("a")
    held = await cluster.beat("a")
    await guarded(cluster.store, fence_check(MAIN, lambda: held[MAIN])).accounts.mark_listed("main", NOW, [])
    assert "main" in await cluster.store.accounts.states()


async def test_an_account_that_was_given_away_is_written_by_its_new_host_alone(cluster: Cluster) -> None:
    await cluster.join("a")
    before = await cluster.beat("a")
    await cluster.join("b")
    after = await cluster.beat("a")
    [gone] = {MAIN, OTHER} - after.keys()
    with pytest.raises(LostShiftError):
        await guarded(cluster.store, fence_check(gone, lambda: before[gone])).accounts.save_circuit("x", None)
    assert (await cluster.beat("b"))[gone] == before[gone] + 1


async def test_a_process_that_started_again_takes_what_its_former_process_held_at_once(
    cluster: Cluster,
) -> None:
    await cluster.join("a")
    before = await cluster.beat("a")
    replaced = update(hosts).where(hosts.c.host == "a").values(boot="a2")
    await cluster.store.database.execute(replaced)
    assert (await cluster.beat("a2"))[KEEPER] == before[KEEPER] + 1
