"""Intents as rows: one open at a time, never overwritten by an older reading, settled with their order."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.core.ordering.test_core_request import request
from tests.db.kit import MINUTE, NOW, a_move, an_order, facts

from orderwatch.core.model import OrderPhase
from orderwatch.core.ordering.intent import Budget, Intent, IntentState, closed, placed, unclear
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.db.repositories import Store, open_store
from orderwatch.errors import LockedError, StaleOrderError

_S = IntentState
ACT = Provenance(who="ada@desk", source="quay.toml", digest="d1", note="for the port")
DAY = timedelta(days=1)
ACCEPTED = OrderSnapshot(order_id="1", task_id=1, status="received", phase=OrderPhase.RECEIVED)


def an_intent(name: str = "Quay 5", **fields: object) -> Intent:
    plain = Intent(
        account="main",
        request=request(task_name=name),
        provenance=ACT,
        written_at=NOW,
        sends=1,
        sent_at=NOW,
        before=("5", "6"),
    )
    return replace(plain, **fields)  # type: ignore[arg-type]  # by name


async def written(store: Store, intent: Intent) -> Intent:
    after = await store.intents.add(intent, NOW)
    assert after is not None
    return after


async def test_an_intent_is_read_back_as_it_was_written(store: Store) -> None:
    every = an_intent(
        request=request(max_captures=3, expected_age="7 days"),
        standing_order=True,
        state=_S.ABSENT,
        sends=2,
        ended_at=NOW + MINUTE,
        searched_at=NOW + 2 * MINUTE,
        order_id=str(2**40),
        task_id=2**40,
        reason="500",
    )
    first = await written(store, every)
    second = await written(
        store, an_intent("Quay 6", account="other", before=(), contract="cont.1", sent_at=None)
    )
    assert await store.intents.list_all() == [first, second]
    assert await store.intents.list_all("other") == [second]
    assert replace(first, number=0) == every
    assert 0 < first.number < second.number


@pytest.mark.parametrize("state", IntentState)
async def test_of_the_same_order_one_may_be_open(store: Store, state: IntentState) -> None:
    first = await written(store, an_intent(state=state))
    if state.open:
        with pytest.raises(LockedError, match="placing the same order"):
            await store.intents.add(an_intent(), NOW)
        assert await store.intents.list_all() == [first]
        assert await store.intents.list_all(unsettled=True) == [first]
    else:
        second = await written(store, an_intent())
        # What never reached the provider makes room.
        kept = [] if state is _S.UNSENT else [first]
        assert await store.intents.list_all() == [*kept, second]
        assert await store.intents.list_all(unsettled=True) == [second]


async def test_another_accounts_order_is_another(store: Store) -> None:
    await written(store, an_intent())
    await written(store, an_intent(account="other"))
    assert len(await store.intents.list_all()) == 2


async def test_of_many_who_mean_the_same_at_once_one_may(database: Path) -> None:
    async with open_store(database) as one, open_store(database) as two:
        done = await asyncio.gather(
            *(store.intents.add(an_intent(), NOW) for store in (one, two) for _ in range(5)),
            return_exceptions=True,
        )
        assert sorted(type(end).__name__ for end in done) == ["Intent"] + 9 * ["LockedError"]
        assert len(await one.intents.list_all()) == 1


async def test_who_read_it_before_another_wrote_it_does_not_write(store: Store) -> None:
    read = await written(store, an_intent())
    after = unclear(read, "500", NOW)
    await store.intents.update(read, after)
    for late in (closed(read, "400", refused=True), read, replace(read, sends=2)):
        with pytest.raises(LockedError, match="placing the same order"):
            await store.intents.update(read, late)
    with pytest.raises(LockedError):
        await store.intents.update(replace(after, sends=9), after)
    assert await store.intents.list_all() == [after]


async def test_an_intent_is_settled_with_its_order_or_not_at_all(store: Store) -> None:
    before = await written(store, an_intent())
    after = placed(before, ACCEPTED)
    verdict = Verdict(order=replace(an_order(), ours=True), transitions=(a_move(),))
    stale = replace(verdict, order=replace(verdict.order, version=8))
    with pytest.raises(StaleOrderError):
        await store.intents.settle(before, after, stale)
    assert (await store.intents.list_all(), await store.orders.list_all()) == ([before], [])
    with pytest.raises(LockedError):
        await store.intents.settle(replace(before, sends=4), after, verdict)
    assert (await store.intents.list_all(), await store.orders.list_all()) == ([before], [])
    await store.intents.settle(before, after, verdict)
    assert await store.intents.list_all() == [after]
    [order] = await store.orders.list_all()
    assert order.ours


async def test_what_was_found_without_being_sent_becomes_a_row_when_it_is_settled(store: Store) -> None:
    found = placed(an_intent(sends=0, sent_at=None), ACCEPTED)
    await store.intents.settle(an_intent(), found, Verdict(order=an_order()))
    [row] = await store.intents.list_all()
    assert replace(row, number=0) == found


@pytest.mark.parametrize(
    ("budget", "rows", "allowed"),
    [
        (Budget(max_per_day=1, max_total=9), [], True),
        (Budget(max_per_day=0, max_total=9), [], False),
        (Budget(max_per_day=9, max_total=0), [], False),
        (Budget(max_per_day=2, max_total=9), [{}], True),
        (Budget(max_per_day=1, max_total=9), [{}], False),
        (Budget(max_per_day=1, max_total=9), [{"sent_at": NOW - DAY}], True),
        (Budget(max_per_day=1, max_total=9), [{"sent_at": NOW - DAY + MINUTE}], False),
        (Budget(max_per_day=1, max_total=1), [{"sent_at": NOW - 9 * DAY}], False),
        (Budget(max_per_day=1, max_total=1), [{"account": "other"}], False),
        (Budget(max_per_day=1, max_total=1), [{"state": _S.UNCLEAR}], False),
        (Budget(max_per_day=1, max_total=1), [{"state": _S.REFUSED}, {"state": _S.UNSENT}], True),
        (Budget(max_per_day=1, max_total=1), [{"standing_order": False}], True),
    ],
)
async def test_what_exceeds_the_budget_is_not_written(
    store: Store, budget: Budget, rows: list[dict[str, object]], *, allowed: bool
) -> None:
    for number, row in enumerate(rows):
        await written(
            store, an_intent(f"Quay {number}", **{"standing_order": True, "state": _S.PLACED, **row})
        )
    done = await store.intents.add(an_intent("Another", standing_order=True), NOW, budget)
    assert (done is not None) is allowed
    assert len(await store.intents.list_all()) == len(rows) + allowed


async def test_no_two_of_a_budget_are_written_at_once(database: Path) -> None:
    async with open_store(database) as one, open_store(database) as two:
        meant = [an_intent(f"Quay {number}", standing_order=True) for number in range(6)]
        done = await asyncio.gather(
            *((one, two)[n % 2].intents.add(intent, NOW, Budget(2, 9)) for n, intent in enumerate(meant))
        )
        assert sum(intent is not None for intent in done) == 2


async def test_the_row_holds_what_was_asked_as_it_is_sent(store: Store, database: Path) -> None:
    intent = await written(store, an_intent())
    [(body, mark)] = facts(database, "SELECT request, fingerprint FROM intents")
    assert json.loads(body)["task_name"] == "Quay 5"
    assert mark == intent.fingerprint
