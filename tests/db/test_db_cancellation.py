"""A cancelled caller leaves no statement half-way: it waits for its unit of work first."""

import asyncio

import pytest

from orderwatch.cancellation import shielded, unit


class Work:
    """A unit of work that ends when the test says so."""

    def __init__(self, error: Exception | None = None) -> None:
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ended = False
        self._error = error

    async def run(self) -> str:
        self.started.set()
        await self.may_end.wait()
        self.ended = True
        if self._error is not None:
            raise self._error
        return "done"


async def a_turn_of_the_loop() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_the_work_gives_or_raises_comes_through() -> None:
    work, broken = Work(), Work(ValueError("broken"))
    work.may_end.set()
    broken.may_end.set()
    assert await shielded(work.run()) == "done"
    with pytest.raises(ValueError, match="broken"):
        await shielded(broken.run())


@pytest.mark.parametrize("cancels", [1, 3])
async def test_a_cancelled_caller_waits_for_the_work_however_often_it_is_cancelled(cancels: int) -> None:
    work = Work()
    caller = asyncio.create_task(shielded(work.run()))
    await work.started.wait()
    for _ in range(cancels):
        caller.cancel()
        await a_turn_of_the_loop()
        assert not caller.done()
    work.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert work.ended


async def test_an_error_of_the_work_is_not_raised_into_a_cancelled_caller_nor_reported_as_lost() -> None:
    work = Work(ValueError("broken"))
    lost: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
    caller = asyncio.create_task(shielded(work.run()))
    await work.started.wait()
    caller.cancel()
    work.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    del caller
    await a_turn_of_the_loop()
    assert lost == []


async def test_a_timeout_around_a_unit_is_a_timeout_after_the_work_is_done() -> None:
    work = Work()
    asyncio.get_running_loop().call_later(0.02, work.may_end.set)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await shielded(work.run())
    assert work.ended or not work.started.is_set()


async def test_work_cancelled_by_itself_is_a_cancellation_for_the_caller() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await shielded(work())


async def test_a_method_that_is_a_unit_is_shielded_and_keeps_its_name() -> None:
    class Desk:
        def __init__(self) -> None:
            self.work = Work()

        @unit
        async def write(self, times: int, *, loud: bool) -> str:
            return await self.work.run() * times + "!" * loud

    desk = Desk()
    assert Desk.write.__name__ == "write"
    writing = asyncio.create_task(desk.write(2, loud=True))
    await desk.work.started.wait()
    writing.cancel()
    desk.work.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert desk.work.ended
    assert await desk.write(2, loud=True) == "donedone!"
