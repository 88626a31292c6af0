import asyncio
from datetime import timedelta

import pytest

from orderwatch.service.cluster.own_lease import OwnLease

LEASE = timedelta(seconds=30)


class Watch:
    """A steady clock that a test sets."""

    def __init__(self) -> None:
        self.at = 100.0

    def read(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Watch:
    return Watch()


@pytest.fixture
def lease(clock: Watch) -> OwnLease:
    lease = OwnLease(LEASE, clock.read)
    lease.renew(clock.at)
    return lease


async def test_work_may_act_until_shortly_before_the_lease_ends(lease: OwnLease, clock: Watch) -> None:
    async with lease.term() as term:
        assert term.may_act()
        clock.at += 24
        assert term.may_act()
        clock.at += 2
        assert not term.may_act()


async def test_work_of_a_lease_that_ended_may_never_act_again(lease: OwnLease, clock: Watch) -> None:
    """A host that was paused beats before its work goes on: another one may hold that work."""
    async with lease.term() as term:
        clock.at += 60
        lease.renew(clock.at)
        assert lease.is_sound
        assert not term.may_act()
    async with lease.term() as later:
        assert later.may_act()


async def test_work_is_interrupted_when_the_lease_ends(lease: OwnLease, clock: Watch) -> None:
    began, interrupted = asyncio.Event(), False

    async def work() -> None:
        nonlocal interrupted
        async with lease.term():
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                interrupted = True
                raise

    running = asyncio.create_task(work())
    await began.wait()

    async def looks(_: float) -> None:
        await asyncio.sleep(0)
        clock.at += 10

    watching = asyncio.create_task(lease.watch(lambda: None, looks))
    await running  # ends without an exception
    watching.cancel()
    assert interrupted


async def test_the_lease_of_the_only_host_never_ends(clock: Watch) -> None:
    lease = OwnLease(LEASE, clock.read, shared=False)
    async with lease.term() as term:
        clock.at += 10_000
        assert term.may_act()
