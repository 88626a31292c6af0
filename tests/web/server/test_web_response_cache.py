"""One answer for many viewers: who gets which, and that none is older than what its viewer was told."""

import asyncio
from itertools import pairwise

import pytest

from orderwatch.web.server.etag import Packed, packed
from orderwatch.web.server.response_cache import ResponseCache


class Maker:
    """Numbers its answers; the clock and the last move are moved by hand."""

    def __init__(self, newest: int | None) -> None:
        self.newest, self.clock, self.made = newest, 100.0, 0
        self.going, self.begun = asyncio.Event(), asyncio.Event()
        self.going.set()
        self._sharing = ResponseCache(lambda: self.newest, lambda: self.clock)

    async def make(self) -> Packed:
        self.made += 1
        number = self.made
        self.begun.set()
        await self.going.wait()
        return await packed(b"%d" % number, "text/plain")

    async def asked(self, address: str = "/") -> int:
        return int((await self._sharing.answer(address, self.make)).body)


async def test_while_nothing_moves_all_who_ask_the_same_get_the_same() -> None:
    maker = Maker(newest=7)
    assert [await maker.asked(address) for address in ("/", "/", "/?text=x", "/")] == [1, 1, 2, 1]


async def test_who_was_told_of_a_move_never_gets_what_was_made_before_it() -> None:
    maker = Maker(newest=7)
    assert await maker.asked() == 1
    maker.newest, maker.clock = 8, maker.clock + 1.5
    assert [await maker.asked(), await maker.asked()] == [2, 2]


async def test_a_move_while_it_is_made_is_not_in_it_and_so_who_asks_then_waits_for_the_next() -> None:
    maker = Maker(newest=7)
    maker.going.clear()
    first = asyncio.create_task(maker.asked())
    await maker.begun.wait()
    maker.newest, maker.clock = 8, maker.clock + 1.5
    later = asyncio.create_task(maker.asked())
    maker.going.set()
    assert (await first, await later) == (1, 2)


async def test_what_does_not_move_is_made_again_after_two_seconds() -> None:
    maker = Maker(newest=7)
    assert await maker.asked() == 1
    maker.clock += 2.5
    assert await maker.asked() == 2


async def test_what_moves_all_the_time_is_made_once_a_second_for_all_who_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here the second is a tenth, and the clock that of the loop."""
    monkeypatch.setattr("orderwatch.web.server.response_cache._MIN_INTERVAL_SECONDS", 0.1)
    clock, moves = asyncio.get_running_loop().time, iter(range(1000))
    maker, began = Maker(newest=7), []
    sharing = ResponseCache(lambda: next(moves), clock)

    async def make() -> Packed:
        began.append(clock())
        return await maker.make()

    for _ in range(3):
        await sharing.answer("/", make)
    assert all(later - sooner >= 0.1 for sooner, later in pairwise(began))
    assert len(began) == 3


async def test_while_nobody_is_told_of_moves_an_answer_is_for_those_who_asked_before_it_was_begun() -> None:
    maker = Maker(newest=None)
    maker.going.clear()
    first = asyncio.create_task(maker.asked())
    await maker.begun.wait()
    maker.clock += 1
    others = [asyncio.create_task(maker.asked()) for _ in range(5)]
    await asyncio.sleep(0)
    maker.clock += 1
    maker.going.set()
    assert [await first, *await asyncio.gather(*others)] == [1, 2, 2, 2, 2, 2]
    maker.clock += 1
    assert await maker.asked() == 3


async def test_a_viewer_that_leaves_while_it_is_made_keeps_nobody_waiting() -> None:
    maker = Maker(newest=7)
    maker.going.clear()
    first = asyncio.create_task(maker.asked())
    await maker.begun.wait()
    other = asyncio.create_task(maker.asked())
    await asyncio.sleep(0)
    first.cancel()
    maker.going.set()
    assert await other == 2


async def test_a_failure_is_of_who_met_it_and_the_next_gets_an_answer() -> None:
    maker = Maker(newest=7)
    sharing = ResponseCache(lambda: 7)

    async def fail() -> Packed:
        raise LookupError

    with pytest.raises(LookupError):
        await sharing.answer("/", fail)
    assert (await sharing.answer("/", maker.make)).body == b"1"


async def test_only_so_many_addresses_are_kept_and_the_one_asked_for_longest_ago_is_forgotten() -> None:
    maker = Maker(newest=7)
    for number in range(16):
        await maker.asked(f"/?text={number}")
    await maker.asked("/?text=0")
    await maker.asked("/?text=16")
    assert maker.made == 17
    assert await maker.asked("/?text=0") == 1
    assert await maker.asked("/?text=1") == 18
