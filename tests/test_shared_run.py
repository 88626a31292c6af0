"""Callers that wait together share a run; none gets one that began before it asked."""

import asyncio
import itertools

import pytest

from orderwatch.shared_run import SharedRun


class Gate:
    """Work that ends when it is told to; counts its runs."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.open = asyncio.Event()

    async def __call__(self) -> None:
        self.begun += 1
        await self.open.wait()
        self.ended += 1


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_callers_that_wait_share_a_run_that_began_after_they_asked() -> None:
    work = Gate()
    run = SharedRun(work)
    first = asyncio.create_task(run())
    await settled()
    others = [asyncio.create_task(run()) for _ in range(7)]
    await settled()
    assert work.begun == 1
    work.open.set()
    await asyncio.gather(first, *others)
    assert work.begun == 2


async def test_one_after_the_other_each_has_its_own_run() -> None:
    work = Gate()
    work.open.set()
    run = SharedRun(work)
    for _ in range(3):
        await run()
    assert work.ended == 3


async def test_an_error_is_raised_to_all_that_share_the_run_and_to_no_other() -> None:
    runs = itertools.count()

    async def fail_first() -> None:
        if next(runs) == 0:
            raise ValueError("broken")

    run = SharedRun(fail_first)
    ended = await asyncio.gather(run(), run(), return_exceptions=True)
    assert [type(error) for error in ended] == [ValueError, ValueError]
    await run()


async def test_a_cancelled_caller_waits_for_the_end_and_the_others_get_it() -> None:
    work = Gate()
    run = SharedRun(work)
    first, second = asyncio.create_task(run()), asyncio.create_task(run())
    await settled()
    first.cancel()
    await settled()
    assert not first.done()
    work.open.set()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
    assert work.ended == 1
