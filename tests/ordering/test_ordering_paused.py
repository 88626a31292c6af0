"""A process that is paused beyond its turn to order, between its intent and its request."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random

import pytest
from tests.ordering.ordering_kit import ACT, LONG, WAIT, Desk
from tests.service.service_kit import EVERYTHING, PACE, Time, connected

from orderwatch.core.cluster.shifts import ORDERING
from orderwatch.core.ordering.intent import Intent
from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.db.cluster.shifts import fence_check
from orderwatch.db.repositories import guarded
from orderwatch.errors import LostShiftError, UnavailableError
from orderwatch.ports import Check
from orderwatch.service.account_context import AccountContext
from orderwatch.service.cluster.ordering_turn import OrderingTurn
from orderwatch.service.ordering.placer import Placer
from orderwatch.service.polling.recorder import Recorder
from orderwatch.service.wakeup import Wakeup

LEASE = timedelta(seconds=30)
pytestmark = pytest.mark.asyncio(loop_scope="module")


def new_turn(desk: Desk, uptime: Time) -> OrderingTurn:
    return OrderingTurn(desk.store.shifts, LEASE, now=desk.time.now, steady=uptime.read)


@asynccontextmanager
async def placing(desk: Desk, pause: Callable[[], Awaitable[object]] | None = None) -> AsyncIterator[Placer]:
    """A process of a cluster in its turn; `pause`, longer than a lease, comes between intent and request."""
    uptime = Time()
    turn = new_turn(desk, uptime)
    store = guarded(desk.store, fence_check(ORDERING, lambda: turn.fence))
    context = AccountContext(account="main", store=store, pace=PACE, now=desk.time.now, rng=Random(7))
    async with connected(desk.simulator) as connection, turn.hold():
        place = connection.tasking.place

        async def late(body: Mapping[str, object], before_send: Check = bool) -> OrderSnapshot:
            if pause is not None:
                uptime.move(LONG)
                await pause()
            return await place(body, before_send)

        connection.tasking.place = late  # type: ignore[method-assign]  # a host that is paused there
        recorder = Recorder(context, EVERYTHING, todo=Wakeup())
        yield Placer(
            context,
            connection.tasking,
            recorder,
            wait=WAIT,
            before_send=turn.require,
            sleep=desk.time.sleep,
        )


def intent_of(desk: Desk) -> Intent:
    return Intent(account="main", request=desk.asked, provenance=ACT, written_at=desk.time.now())


async def test_a_process_that_continues_after_another_had_the_turn_sends_nothing(desk: Desk) -> None:
    async def other_places() -> None:
        desk.time.move(LONG)
        async with placing(desk) as other:
            outcome = await other.order(intent_of(desk), resume=True)
        assert outcome is not None
        assert outcome.fresh

    async with placing(desk, other_places) as paused:
        with pytest.raises(LostShiftError, match="will search for it and not place it twice"):
            await paused.order(intent_of(desk))
    assert desk.posts == 1
    await desk.must_be_placed_once(sends=2)


async def test_a_process_that_continues_after_its_lease_sends_nothing_and_records_so(desk: Desk) -> None:
    async def pause() -> None:
        desk.time.move(LONG)

    async with placing(desk, pause) as paused:
        outcome = await paused.order(intent_of(desk))
    assert outcome is not None
    assert "another process may have the turn to order" in (outcome.intent.reason or "")
    assert desk.posts == 0
    await desk.must_be_true(outcome.intent)
    async with placing(desk) as again:
        outcome = await again.order(intent_of(desk))
    assert outcome is not None
    assert outcome.fresh


async def test_a_turn_that_is_over_permits_nothing(desk: Desk) -> None:
    turn = new_turn(desk, Time())
    async with turn.hold():
        turn.require()
    with pytest.raises(UnavailableError):
        turn.require()
