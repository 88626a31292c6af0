import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from structlog.testing import LogCapture
from tests.service.service_kit import House, house, told

from orderwatch.core.cluster.hosts import Host
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.service.cluster.beat import Beat
from orderwatch.service.cluster.own_lease import OwnLease
from orderwatch.service.cluster.roster import SoleRoster
from orderwatch.simulator import Scenario

SCENARIO = Scenario(orders=(told(41, {"size": 5000}),))


class Beating:
    """The beat of a process that works on what the test names."""

    def __init__(self, h: House, *, shared: bool = True) -> None:
        self.me = Host(host="a", boot=h.store.boot, version="1", config_digest="", seen_at=h.time.now())
        self.at = 0.0
        self.lease = OwnLease(timedelta(seconds=30), lambda: self.at, shared=shared)
        self.beat = Beat(
            h.store.hosts, h.store.deliveries, lambda: self.me, self.lease, SoleRoster(), now=h.time.now
        ).beat


async def after(h: House, delivery: Delivery) -> DeliveryState:
    [row] = [d for d in await h.deliveries() if d.key == delivery.key]
    return row.state


@asynccontextmanager
async def with_a_claim(tmp_path: Path) -> AsyncIterator[tuple[House, Beating, Delivery]]:
    """A host that has beaten once, and then claimed a delivery."""
    async with house(tmp_path, SCENARIO) as h:
        await h.look()
        beating = Beating(h)
        await beating.beat()
        yield h, beating, await h.claim()


async def test_a_claim_that_nobody_works_on_is_queued_again(tmp_path: Path, events: LogCapture) -> None:
    """Its worker was interrupted while the database could not be written, or before it had its claim."""
    async with with_a_claim(tmp_path) as (h, beating, claim):
        await beating.beat()
        assert await after(h, claim) is DeliveryState.FETCHING  # its worker may be about to begin
        await beating.beat()
        assert await after(h, claim) is DeliveryState.WANTED
        assert [e["released"] for e in events.entries if e["event"] == "recovery.done"] == [1]


async def test_a_claim_that_is_worked_on_is_kept(tmp_path: Path) -> None:
    async with with_a_claim(tmp_path) as (h, beating, claim):
        with beating.lease.work_on([claim]):
            for _ in range(3):
                await beating.beat()
        assert await after(h, claim) is DeliveryState.FETCHING


async def test_a_host_that_beats_again_after_its_lease_gives_back_what_it_fetched(tmp_path: Path) -> None:
    async with with_a_claim(tmp_path) as (h, beating, claim):
        with beating.lease.work_on([claim]):
            beating.at += 60
            await beating.beat()
        assert await after(h, claim) is DeliveryState.WANTED


async def test_the_only_host_of_a_file_writes_nothing_while_it_idles(tmp_path: Path) -> None:
    async with house(tmp_path, SCENARIO) as h:
        beating = Beating(h, shared=False)
        await beating.beat()
        with closing(sqlite3.connect(tmp_path / "orderwatch.db")) as other:
            before = other.execute("PRAGMA data_version").fetchone()
            for _ in range(3):
                h.time.move(timedelta(seconds=8))
                await beating.beat()
            assert other.execute("PRAGMA data_version").fetchone() == before
            beating.me = replace(beating.me, config_digest="another")
            await beating.beat()
            assert other.execute("PRAGMA data_version").fetchone() != before
