"""The same order again: found, taken over, or another one by the user's word."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.ordering.ordering_kit import LONG, Desk

from orderwatch.core.ordering.intent import IntentState
from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.ports import Check
from orderwatch.simulator.faults import Fault

_S = IntentState
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_second_loss_is_searched_for_like_the_first(desk: Desk) -> None:
    for late in (False, False, True):
        desk.misbehave(Fault(on="place", kind="reset", late=late))
        await desk.place(resume=True)
        assert len(desk.held()) == late
    placed = await desk.must_be_placed_once(sends=3)
    assert "response was lost" in placed.words


async def test_another_one_is_placed_only_by_that_word(desk: Desk) -> None:
    first = await desk.place()
    for resume in (False, True):
        outcome = await desk.place(resume=resume)
        assert outcome is not None
        assert first is not None
        assert (outcome.intent, outcome.fresh) == (first.intent, False)
    assert desk.posts == 1
    outcome = await desk.place(again=True)
    assert outcome is not None
    assert outcome.fresh
    assert len(desk.held()) == desk.posts == 2


@pytest.mark.parametrize("late", [False, True])
async def test_another_one_whose_answer_is_lost_is_not_mistaken_for_the_first(
    desk: Desk, *, late: bool
) -> None:
    await desk.place()
    desk.misbehave(Fault(on="place", kind="reset", late=late))
    desk.become(listing_lag=5.0)
    await desk.place(again=True)
    if not late:
        await desk.place(again=True)  # it is unclear: the word for another one is none for this one
        assert len(desk.held()) == 1
    await desk.place(resume=True)
    assert len(desk.held()) == 2
    states = [intent.state for intent in await desk.intents()]
    assert states == [_S.PLACED, _S.PLACED]
    assert len({intent.task_id for intent in await desk.intents()}) == 2


async def test_an_order_that_somebody_placed_elsewhere_is_taken_over(desk: Desk) -> None:
    async with desk.process() as process:
        await process.tasking.place(desk.asked.body)
    outcome = await desk.place()
    assert outcome is not None
    assert (outcome.fresh, outcome.intent.sends, desk.posts) == (True, 0, 1)
    placed = await desk.must_be_placed_once(sends=0)
    assert "placed earlier" in placed.words


async def test_a_lost_order_is_not_given_to_another_intent_that_the_list_cannot_tell_from_it(
    desk: Desk,
) -> None:
    desk.become(listing_lag=30.0)
    desk.misbehave(Fault(on="place", kind="reset", late=True))
    await desk.place()
    desk.time.move(LONG)
    more = replace(desk.asked, max_captures=3)
    outcome = await desk.place(more)
    assert outcome is not None
    assert outcome.intent.request == desk.asked
    await desk.place(resume=True)
    await desk.must_be_placed_once(sends=1)
    assert desk.posts == 1


@pytest.mark.parametrize("taken", [False, True], ids=["lost", "taken"])
async def test_an_answer_with_an_older_order_is_no_proof_that_this_one_was_taken(
    desk: Desk, *, taken: bool
) -> None:
    first = await desk.place()
    assert first is not None
    async with desk.process() as process:
        place = process.tasking.place

        async def stale(body: Mapping[str, object], before_send: Check = bool) -> OrderSnapshot:
            if taken:
                await place(body, before_send)
            return await process.tasking.order(str(desk.held()[0]))

        process.tasking.place = stale  # type: ignore[method-assign]  # a cache that knows better
        outcome = await process.placer.order(replace(first.intent, task_id=None), again=True)
    assert outcome is not None
    assert outcome.intent.state is (_S.PLACED if taken else _S.UNCLEAR)
    await desk.must_be_true(outcome.intent)
    await desk.place(resume=True)
    assert len(desk.held()) == 2
    assert len({intent.task_id for intent in await desk.intents()} - {None}) == 2
