"""Notes are written with what they tell of, and go when they were told."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.db.kit import MINUTE, NOW, a_delivery, a_move, an_order, facts, held, want

from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.deliveries.state_machine import Failure, FailureKind, RetryPolicy
from orderwatch.core.model import Delivery, OrderState, Subject
from orderwatch.core.notifications.notification import Channel
from orderwatch.core.notifications.problems import Problem, ProblemChange
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.store import Store, open_store
from orderwatch.errors import StaleOrderError
from orderwatch.ports import ChannelState

ALL = Channel(name="all", events=("*",))
DONE = Channel(name="done", events=("order.done",))
POLICY = RetryPolicy(retry_min=MINUTE, retry_max=60 * MINUTE, max_attempts=3)
REFUSED = Problem(key="k", event="account.refused", began_at=NOW, facts={"account": "main", "reason": "401"})


async def told(store: Store, channel: str = "all") -> list[object]:
    return [item.document["event"] for item in await store.batch(channel, 100)]


async def test_without_a_channel_nothing_is_written(store: Store, database: Path) -> None:
    await store.apply(Verdict(order=an_order(), transitions=(a_move(),)))
    assert facts(database, "SELECT count(*) FROM notes") == [(0,)]


async def test_a_move_is_told_to_those_who_want_it_and_rings_once(store: Store, database: Path) -> None:
    rung: list[int] = []
    store.tell([ALL, DONE, replace(ALL, name="second")], lambda: rung.append(1))
    await store.apply(Verdict(order=an_order(), transitions=(a_move(), a_move("x"))))
    await store.apply(Verdict(order=await held(store)))
    assert await told(store) == await told(store, "second") == ["order.changed", "order.changed"]
    assert await told(store, "done") == []
    assert rung == [1]
    assert facts(database, "SELECT count(*) FROM notes") == [(2,)]
    assert await store.pending() == {"all": 2, "second": 2}


async def test_what_was_not_written_is_not_told(store: Store) -> None:
    store.tell([ALL])
    await store.apply(Verdict(order=an_order(), transitions=(a_move(),)))
    with pytest.raises(StaleOrderError):
        await store.apply(Verdict(order=an_order(), transitions=(a_move("again"),)))
    assert await told(store) == ["order.changed"]


async def test_many_orders_of_a_list_are_told(store: Store) -> None:
    store.tell([ALL])
    verdicts = [Verdict(order=an_order(n), transitions=(a_move(task_id=n),)) for n in (1, 2)]
    await store.apply_all(verdicts)
    assert [item.document["task_id"] for item in await store.batch("all", 9)] == [1, 2]


async def test_an_order_is_done_once(store: Store) -> None:
    store.tell([DONE])
    await store.apply(Verdict(order=an_order(last_seen_at=NOW)))
    for _ in range(2):
        await store.apply(Verdict(order=replace(await held(store), state=OrderState.DONE)))
    assert await told(store, "done") == ["order.done"]


async def test_what_a_tree_tells_of_the_past_is_told_to_nobody(store: Store) -> None:
    store.tell([ALL])
    await store.restore([Verdict(order=an_order(), transitions=(a_move(),))])
    assert await told(store) == []


async def fetching(store: Store, delivery: Delivery) -> Delivery:
    await store.record(machine.claimed(delivery, NOW))
    return machine.claimed(delivery, NOW).delivery


async def test_a_stored_delivery_is_told_with_the_names_of_its_order(store: Store) -> None:
    store.tell([replace(ALL, projects=("Harbour *",)), replace(ALL, name="other", projects=("Quay",))])
    await store.apply(Verdict(order=an_order(project_name="Harbour east")))
    (delivery,) = await want(store, a_delivery())
    await store.record(machine.on_stored(await fetching(store, delivery), NOW))
    (item,) = await store.batch("all", 9)
    assert item.document["event"] == "delivery.stored"
    assert item.document["project_name"] == "Harbour east"
    assert item.document["id"] == item.id
    assert await told(store, "other") == []


async def test_parked_again_for_the_same_reason_is_told_once(store: Store) -> None:
    store.tell([ALL])
    (delivery,) = await want(store, a_delivery())
    for reason in ("full", "full", "read-only"):
        failure = Failure(trouble=FailureKind.DISK, reason=reason)
        move = machine.on_failure(await fetching(store, delivery), failure, NOW, POLICY, 0.5)
        await store.record(move)
        delivery = move.delivery
    assert [item.document["reason"] for item in await store.batch("all", 9)] == ["full", "read-only"]


async def test_a_note_goes_when_the_last_channel_was_told(store: Store, database: Path) -> None:
    store.tell([ALL, replace(ALL, name="second")])
    await store.apply(Verdict(order=an_order(), transitions=(a_move(), a_move("x"))))
    (first, _) = await store.batch("all", 9)
    await store.delivered("all", [first])
    assert len(await store.batch("all", 9)) == 1
    assert len(await store.batch("second", 9)) == 2
    for name in ("all", "second"):
        await store.delivered(name, await store.batch(name, 9))
    assert facts(database, "SELECT count(*) FROM notes") == [(0,)]


async def test_notes_and_the_trouble_of_a_channel_outlive_a_restart(database: Path) -> None:
    trouble = ChannelState(3, NOW, "503")
    async with open_store(database) as store:
        store.tell([ALL])
        await store.apply(Verdict(order=an_order(), transitions=(a_move(),)))
        before = await store.batch("all", 9)
        await store.undelivered("all", trouble)
    async with open_store(database) as store:
        assert await store.batch("all", 9) == before
        assert await store.channel("all") == trouble
        await store.delivered("all", before)
        assert await store.channel("all") == ChannelState()


async def test_channels_that_are_no_more_are_forgotten(store: Store, database: Path) -> None:
    store.tell([ALL, replace(ALL, name="old")])
    await store.apply(Verdict(order=an_order(), transitions=(a_move(),)))
    await store.undelivered("old", ChannelState(1, NOW, "so"))
    await store.keep_channels(["all"])
    assert await store.pending() == {"all": 1}
    assert await store.channel("old") == ChannelState()
    await store.keep_channels([])
    assert facts(database, "SELECT count(*) FROM notes") == [(0,)]


async def test_notes_are_given_up_by_their_age(store: Store) -> None:
    store.tell([ALL])
    for at in (NOW, NOW + MINUTE):
        await store.note_problems([ProblemChange(REFUSED, at)])
    assert await store.drop("all", NOW + MINUTE) == 1
    assert await store.pending() == {"all": 1}


async def test_a_problem_is_kept_until_it_ends_and_told_twice(database: Path) -> None:
    async with open_store(database) as store:
        store.tell([ALL])
        await store.note_problems([ProblemChange(REFUSED, NOW)])
        await store.note_problems([ProblemChange(replace(REFUSED, facts={"account": "x"}), NOW, told=False)])
    async with open_store(database) as store:
        store.tell([ALL])
        (kept,) = (await store.problems()).values()
        assert kept == replace(REFUSED, facts={"account": "x"})
        await store.note_problems([ProblemChange(kept, NOW + timedelta(hours=1), over=True)])
        assert await store.problems() == {}
        assert await told(store) == ["problem.began", "problem.ended"]


async def test_moves_of_deliveries_in_a_look_are_no_notes(store: Store) -> None:
    store.tell([ALL])
    wanted = a_move("wanted", subject=Subject.DELIVERY, scene_id="scene-1")
    await store.apply(Verdict(order=an_order(), transitions=(wanted,), wanted=(a_delivery(),)))
    assert await told(store) == []
