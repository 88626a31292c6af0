from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TypeVar

import pytest
from sqlalchemy import Connection
from tests.db.kit import MINUTE, NOW, a_delivery, row_of, want

from orderwatch.core.cluster.hosts import Host
from orderwatch.core.database_location import DatabaseLocation
from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.deliveries.state_machine import DeliveryUpdate
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.db.database import Database, Work
from orderwatch.db.deliveries import Deliveries
from orderwatch.db.repositories import Store, open_store
from orderwatch.errors import StaleOrderError
from orderwatch.ports import LEASE, Renewal

R = TypeVar("R")
OVER = timedelta(0)  # a lease that is over at once


@pytest.fixture
async def other(database: DatabaseLocation) -> AsyncIterator[Store]:
    """Another host on the same database."""
    async with open_store(database) as opened:
        yield opened


async def beat(store: Store) -> None:
    host = Host(host=store.boot, boot=store.boot, version="1", config_digest="", seen_at=NOW)
    await store.hosts.beat(host)


async def claim(store: Store, lease: timedelta = LEASE) -> Delivery | None:
    return await store.deliveries.claim(NOW, ["main"], lease=lease)


async def claimed(store: Store, lease: timedelta = LEASE) -> Delivery:
    delivery = await claim(store, lease)
    assert delivery is not None
    return delivery


async def moves(store: Store) -> list[tuple[str | None, str, str | None]]:
    return [(move.before, move.after, move.detail) for move in await store.history.of_order("1")]


async def test_what_a_live_host_fetches_is_not_taken_over_before_its_lease_ends(
    store: Store, other: Store
) -> None:
    await want(store, a_delivery())
    await beat(store)
    await claimed(store)
    assert await claim(other) is None
    assert (await other.deliveries.renew(NOW)).released == 0


async def test_a_lease_that_ended_is_taken_over_and_the_interruption_is_recorded_once(
    store: Store, other: Store
) -> None:
    await want(store, a_delivery())
    await beat(store)
    first = await claimed(store, lease=OVER)
    again = await claimed(other)
    assert again.fence > first.fence
    assert await moves(store) == [
        ("wanted", "fetching", None),
        ("fetching", "wanted", "interrupted"),
        ("wanted", "fetching", None),
    ]
    assert (await other.deliveries.renew(NOW)).released == 0


async def test_a_renewed_lease_is_kept(store: Store, other: Store) -> None:
    await want(store, a_delivery())
    await beat(store)
    await claimed(store, lease=OVER)
    await store.deliveries.renew(NOW, lease=MINUTE)
    assert await claim(other) is None


async def test_what_a_process_without_a_host_fetched_is_free_at_once(store: Store, other: Store) -> None:
    await want(store, a_delivery())
    await claimed(store, lease=MINUTE)
    assert await claim(other) is not None


async def test_a_host_that_starts_again_does_not_wait_for_the_lease_of_its_former_process(
    store: Store, other: Store
) -> None:
    await want(store, a_delivery())
    host = Host(host="a", boot=store.boot, version="1", config_digest="", seen_at=NOW)
    await store.hosts.beat(host)
    await claimed(store, lease=MINUTE)
    await other.hosts.beat(replace(host, boot=other.boot))
    assert (await other.deliveries.renew(NOW)).released == 1
    assert [d.state for d in await other.deliveries.in_states(*DeliveryState)] == [DeliveryState.WANTED]


async def test_no_process_takes_over_what_it_fetches_itself(store: Store) -> None:
    """Neither a clock that steps nor a late beat starts a download twice."""
    await want(store, a_delivery())
    await claimed(store, lease=OVER)
    assert await claim(store) is None
    assert (await store.deliveries.renew(NOW, lease=OVER)).released == 0


async def test_every_write_of_a_host_that_lost_its_lease_is_refused(store: Store, other: Store) -> None:
    await want(store, a_delivery())
    await beat(store)
    lost = await claimed(store, lease=OVER)
    taken = await claimed(other)
    whole = replace(lost, size=9, sha256="ab" * 32)
    deliveries = store.deliveries
    for write in (
        lambda: deliveries.checkpoint(replace(lost, durable=5), 5),
        lambda: deliveries.reserve(lost, "harbour/x.zip"),
        lambda: deliveries.save(DeliveryUpdate(delivery=lost, transition=None)),
        lambda: deliveries.intend(whole),
        lambda: deliveries.intend_all([whole], ["harbour/x.zip"], None),
        lambda: deliveries.save(machine.on_stored(whole, NOW)),
        lambda: deliveries.save_all([machine.on_stored(whole, NOW)]),
        lambda: deliveries.save(machine.released(lost, NOW)),
    ):
        with pytest.raises(StaleOrderError):
            await write()
    assert await row_of(other, taken) == taken


async def test_a_lost_fence_is_refused_before_anybody_claims_the_delivery(store: Store, other: Store) -> None:
    await want(store, a_delivery())
    await beat(store)
    lost = await claimed(store, lease=OVER)
    assert (await other.deliveries.renew(NOW)).released == 1
    with pytest.raises(StaleOrderError):
        await store.deliveries.checkpoint(replace(lost, durable=5), 5)


async def test_a_host_hands_over_what_it_fetches_and_nothing_else(store: Store, other: Store) -> None:
    await want(store, a_delivery("a"), a_delivery("b"))
    await beat(store)
    await beat(other)
    own, others = await claimed(store), await claimed(other)
    assert await store.deliveries.hand_over(NOW) == 1
    assert (await row_of(store, own)).state is DeliveryState.WANTED
    assert await row_of(store, others) == others
    again = await claimed(other)
    assert again.key == own.key


async def test_many_are_claimed_and_stored_together(store: Store) -> None:
    await want(store, *(a_delivery(f"s{number}", attachment="preview") for number in range(3)))
    first = await claimed(store)
    more = await store.deliveries.claim_more(first, NOW, ["preview"], 9)
    whole = [replace(one, size=9, sha256="ab" * 32) for one in (first, *more)]
    intended = await store.deliveries.intend_all(whole, ["a", "b", "c"], None)
    await store.deliveries.save_all([machine.on_stored(one, NOW) for one in intended])
    assert [(d.state, d.fence) for d in await store.deliveries.in_states(*DeliveryState)] == [
        (DeliveryState.STORED, 1)
    ] * 3


async def test_what_a_process_has_abandoned_is_queued_again_by_its_claim(store: Store) -> None:
    await want(store, a_delivery("a"), a_delivery("b"))
    left, kept = await claimed(store), await claimed(store)
    renewal = await store.deliveries.renew(NOW, abandoned=[left.claim])
    assert renewal == Renewal(1, frozenset({kept.claim}))
    again = await claimed(store)
    assert again.key == left.key
    assert (await store.deliveries.renew(NOW, abandoned=[left.claim])).released == 0


class RolledBack(Database):
    """Runs the next unit, undoes it as if another unit of the transaction failed, and runs it again."""

    def __init__(self, database: Database, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._database = database
        self._meanwhile: Callable[[], Awaitable[object]] | None = meanwhile

    async def write(self, work: Work[R], on_commit: Callable[[], object] = bool) -> R:
        if (meanwhile := self._meanwhile) is not None:
            self._meanwhile = None
            with suppress(UndoneError):
                await self._database.write(partial(_undone, work))
            await meanwhile()
        return await self._database.write(work, on_commit)


class UndoneError(Exception):
    """Ends a transaction."""


def _undone(work: Work[object], db: Connection) -> None:
    work(db)
    raise UndoneError


async def test_a_claim_that_was_rolled_back_is_not_taken_for_that_of_another_host(
    store: Store, other: Store
) -> None:
    """Both would have the same fence."""
    await want(store, a_delivery())
    await beat(other)
    undone = RolledBack(store.database, lambda: claim(other))
    again = Deliveries(undone, store.outbox, store.boot)
    assert await again.claim(NOW, ["main"]) is None


async def test_a_claim_that_was_rolled_back_is_not_taken_for_that_of_another_worker(store: Store) -> None:
    await want(store, a_delivery())
    deliveries = Deliveries(store.database, store.outbox, store.boot)

    async def other_claims() -> None:
        deliveries._database = store.database
        assert await deliveries.claim(NOW, ["main"]) is not None

    deliveries._database = RolledBack(store.database, other_claims)
    assert await deliveries.claim(NOW, ["main"]) is None
