"""Two hosts, one database and one tree: what one of them loses, the other one brings home, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update
from structlog.testing import LogCapture
from tests.patience import PATIENCE
from tests.service.service_kit import RETRIES, House, house, told

from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.db.repositories import Store, open_store
from orderwatch.db.tables import deliveries
from orderwatch.ports import LEASE
from orderwatch.service.cluster.own_lease import OwnLease
from orderwatch.service.fetching.attempt import AttemptTree
from orderwatch.service.fetching.download_slots import DownloadSlots
from orderwatch.service.fetching.fetcher import Fetcher
from orderwatch.service.wakeup import Wakeup
from orderwatch.simulator import Scenario
from orderwatch.transfer.tree.destination import FilesystemDestination

SIZE = 1_500_000


@asynccontextmanager
async def second(h: House) -> AsyncIterator[tuple[Store, Fetcher]]:
    """Another host beside that of the house."""
    async with open_store(h.database) as store:
        tools = h.tools["main"]
        destination = FilesystemDestination(h.root, shared_as="b")
        trees: dict[str | None, AttemptTree] = {None: replace(tools.trees[None], destination=destination)}
        contexts = {"main": replace(tools, store=store, trees=trees)}
        yield store, Fetcher(contexts, store, retries=RETRIES, now=h.time.now, rng=h.rng)


def share(h: House) -> None:
    """Let the house's own destination be one of several hosts'."""
    tools = h.tools["main"]
    destination = FilesystemDestination(h.root, shared_as="a")
    h.tools["main"] = replace(tools, trees={None: replace(tools.trees[None], destination=destination)})


async def durable(h: House) -> None:
    """Return once the download has durable bytes."""
    async with asyncio.timeout(PATIENCE):
        while not (await h.the_delivery()).durable:
            await asyncio.sleep(0.01)


def scenario(rate: int) -> Scenario:
    return Scenario.model_validate(
        {"orders": [told(41, {"size": SIZE}).model_dump()], "downloads": {"rate": rate}}
    )


async def claimed(store: Store, h: House) -> Delivery:
    """A host whose row is gone has no lease any more."""
    delivery = await store.deliveries.claim(h.time.now(), ["main"])
    assert delivery is not None
    return delivery


async def test_an_attempt_that_lost_its_fence_stops_and_the_other_host_continues_its_bytes(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, scenario(1_000_000)) as h, second(h) as (store, fetcher):
        await h.look()
        share(h)
        losing = asyncio.create_task(h.fetcher.fetch(await h.claim()))
        await durable(h)
        taken = await claimed(store, h)
        assert (await losing).state is DeliveryState.FETCHING
        assert h.tree == {}
        stored = await fetcher.fetch(taken)
        assert (stored.state, stored.fence) == (DeliveryState.STORED, taken.fence)
        assert [entry["event"] for entry in events.entries].count("delivery.lost") == 1
        assert h.downloads[-1].range == f"bytes={taken.durable}-"
        await h.assert_all_stored()
        assert await h.moves(41) == ["wanted", "fetching", "wanted", "fetching", "stored"]


async def test_a_stopped_writer_that_goes_on_never_changes_a_published_file(tmp_path: Path) -> None:
    """It still has its partial open when another host has published the bytes that it had received."""
    async with house(tmp_path, scenario(1_000_000)) as h, second(h) as (store, fetcher):
        await h.look()
        share(h)
        stopped = asyncio.create_task(h.fetcher.fetch(await h.claim()))
        await durable(h)
        with h.partial(await h.the_delivery()).open("r+b", buffering=0) as writer:
            assert (await fetcher.fetch(await claimed(store, h))).state is DeliveryState.STORED
            writer.write(b"late")
        await stopped
        await h.assert_all_stored()


async def test_a_host_that_may_not_act_any_more_publishes_nothing_and_queues_the_delivery_again(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, scenario(10**9)) as h:
        await h.look()
        after = await h.fetcher.fetch(await h.claim(), may_act=lambda: False)
        assert after.state is DeliveryState.FETCHING
        assert (await h.the_delivery()).state is DeliveryState.WANTED
        assert h.tree == {}
        assert (await h.fetch()).state is DeliveryState.STORED
        assert len(h.downloads) == 1
        await h.assert_all_stored()


@pytest.mark.parametrize("recorded", [False, True])
async def test_what_a_host_published_before_it_died_is_taken_over_and_stored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, recorded: bool
) -> None:
    """Between the final name and its record, or between the intent and the name."""
    async with house(tmp_path, scenario(10**9)) as h, second(h) as (store, fetcher):
        await h.look()
        share(h)
        destination = h.tools["main"].trees[None].destination
        publish = destination.publish

        async def killed(*args: object, **more: object) -> bool:
            if recorded:
                await publish(*args, **more)  # type: ignore[arg-type]  # as they came
            raise KeyboardInterrupt

        monkeypatch.setattr(destination, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            await h.fetcher.fetch(await h.claim())
        taken = await claimed(store, h)
        assert taken.intended
        assert (await fetcher.fetch(taken)).state is DeliveryState.STORED
        assert len(h.downloads) == 1
        await h.assert_all_stored()


async def test_a_download_of_an_older_version_is_resumed_after_the_upgrade(tmp_path: Path) -> None:
    """Its row has no owner and no fence, and its partial none in its name."""
    async with house(tmp_path, scenario(1_000_000)) as h:
        await h.look()
        fetching = asyncio.create_task(h.fetcher.fetch(await h.claim()))
        await durable(h)
        fetching.cancel()
        await asyncio.wait([fetching])
        left = await h.the_delivery()
        h.partial(left).rename(h.partial(replace(left, fence=0)))
        await h.store.database.execute(
            update(deliveries).values(state=DeliveryState.FETCHING, owner=None, lease_until=None, fence=0)
        )
        again = await h.fetch()
        assert (again.state, again.fence) == (DeliveryState.STORED, 2)
        assert h.downloads[-1].range == f"bytes={left.durable}-"
        await h.assert_all_stored()


async def test_a_host_without_a_beat_stops_its_download_and_continues_it_when_it_beats_again(
    tmp_path: Path,
) -> None:
    at = 0.0
    lease, todo, stopping = OwnLease(LEASE, lambda: at), Wakeup(), asyncio.Event()
    lease.renew(at)

    async def look(_: float) -> None:
        await asyncio.sleep(0.01)

    async with house(tmp_path, scenario(1_000_000)) as h:
        await h.look()
        fetcher = Fetcher(h.tools, h.store, retries=RETRIES, now=h.time.now, rng=h.rng, lease=lease)
        working = [
            asyncio.create_task(fetcher.work(todo, stopping, DownloadSlots(1))),
            asyncio.create_task(lease.watch(todo.trigger, look)),
        ]
        await durable(h)
        at += LEASE.total_seconds()
        async with asyncio.timeout(PATIENCE):
            while (left := await h.the_delivery()).state is not DeliveryState.WANTED:
                await asyncio.sleep(0.01)
        todo.trigger()
        assert await fetcher.next() is None
        lease.renew(at)
        async with asyncio.timeout(PATIENCE):
            while (await h.the_delivery()).state is not DeliveryState.STORED:
                todo.trigger()
                await asyncio.sleep(0.05)
        assert h.downloads[-1].range == f"bytes={left.durable}-"
        stopping.set()
        todo.trigger()
        await working[0]
        working[1].cancel()
        await h.assert_all_stored()
