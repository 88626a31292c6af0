"""What a list proves: where it fails, lies, is late, slow or dated otherwise, nothing is sent by it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.ordering.ordering_kit import LONG, WAIT, Desk, open_desk

from orderwatch.core.ordering.intent import IntentState
from orderwatch.ports import ListPage
from orderwatch.simulator import Scenario
from orderwatch.simulator.faults import Fault

_S = IntentState
pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTS = {
    "down": Fault(on="tasks", kind="status", code=503, times=0),
    "refused": Fault(on="tasks", kind="status", code=401, times=0),
    "reset": Fault(on="tasks", kind="reset", times=0),
    "cut": Fault(on="tasks", kind="cut", times=0),
    "malformed": Fault(on="tasks", kind="malformed", times=0),
    "a page": Fault(on="tasks", kind="html", times=0),
    "vanished": Fault(on="tasks", kind="vanished", times=0),
    "bare": Fault(on="tasks", kind="bare", times=0),
    "doubled": Fault(on="tasks", kind="doubled", times=0),
    "without end": Fault(on="tasks", kind="page_loop", times=0),
    "elsewhere": Fault(on="tasks", kind="foreign_next", times=0),
    "other words": Fault(on="tasks", kind="words", times=0),
    "loose": Fault(on="tasks", kind="loose", times=0),
}
FAILS = {"refused", "reset", "cut", "malformed", "elsewhere"}  # as the one that is down
PROVES = {"doubled", "other words", "loose"}  # these show every order all the same


@pytest.mark.parametrize("taken", [False, True], ids=["lost", "taken"])
@pytest.mark.parametrize(
    "lists", [pytest.param(n, marks=pytest.mark.long if n in FAILS else ()) for n in LISTS]
)
async def test_a_list_that_proves_nothing_leads_to_nothing(desk: Desk, lists: str, *, taken: bool) -> None:
    lost = Fault(on="place", kind="status", code=500, late=taken)
    desk.misbehave(lost, LISTS[lists].model_copy(update={"after": 1}))  # the first is read before it is sent
    desk.become(page_size=2)
    proves = lists in PROVES or (lists == "bare" and not taken)  # of the same orders as before
    for resume in (False, True, True):
        outcome = await desk.place(resume=resume)
        if not proves and outcome is not None:
            assert outcome.intent.state is _S.UNCLEAR
        desk.time.move(LONG)
    assert desk.posts == (1 if taken or not proves else 2)
    assert len(desk.held()) <= 1
    desk.misbehave()
    outcome = await desk.place(resume=True)
    assert outcome is not None
    assert outcome.intent.state is _S.PLACED
    await desk.must_be_placed_once()


@pytest.mark.parametrize(
    "lists", ["down", "without end", *(pytest.param(n, marks=pytest.mark.long) for n in sorted(FAILS))]
)
async def test_nothing_is_sent_where_the_list_cannot_be_read_before(desk: Desk, lists: str) -> None:
    desk.misbehave(LISTS[lists])
    assert await desk.place(resume=True) is None
    assert desk.posts == 0
    assert await desk.intents() == []


@pytest.mark.parametrize("ahead", [-2, 2], ids=["behind", "ahead"])
@pytest.mark.parametrize("late", [False, True])
async def test_a_wrong_clock_of_ours_hides_no_order(tmp_path: Path, ahead: int, *, late: bool) -> None:
    async with open_desk(tmp_path, Scenario(clock_ahead=ahead * timedelta(days=1).total_seconds())) as desk:
        desk.misbehave(Fault(on="place", kind="reset", late=late))
        await desk.place()
        await desk.place(resume=True)
        assert len(desk.held()) == 1
        assert desk.posts == 1 + (not late)


async def test_a_list_that_is_read_slowly_is_as_old_as_its_beginning(desk: Desk) -> None:
    desk.become(listing_lag=WAIT.total_seconds() - 1)
    desk.misbehave(Fault(on="place", kind="reset", late=True))
    await desk.place()
    desk.time.move(WAIT / 2)
    async with desk.process() as process:
        [intent] = await desk.intents()
        read = process.tasking.listing

        async def slowly() -> AsyncIterator[ListPage]:
            async for page in read():
                desk.time.move(LONG)
                yield page

        process.tasking.listing = slowly  # type: ignore[method-assign]  # a provider that takes its time
        outcome = await process.placer.settle(intent)
    await desk.must_be_true(outcome.intent)
    assert outcome.intent.state is _S.UNCLEAR


async def test_an_order_whose_time_is_told_in_another_zone_is_found_all_the_same(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        desk.simulator._ahead = timedelta(hours=3)  # which `Date` tells, and no order's `created_time`
        desk.misbehave(Fault(on="place", kind="reset", late=True))
        await desk.place()
        await desk.place(resume=True)
        await desk.must_be_placed_once(sends=1)
