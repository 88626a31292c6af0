"""Notifications are written in the transaction of what they report, and removed once they were sent."""

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
from orderwatch.db.repositories import Store, open_store
from orderwatch.errors import StaleOrderError
from orderwatch.ports import ChannelState

ALL = Channel(name="all", events=("*",))
DONE = Channel(name="done", events=("order.done",))
POLICY = RetryPolicy(retry_min=MINUTE, retry_max=60 * MINUTE, max_attempts=3)
REFUSED = Problem(key="k", event="account.refused", began_at=NOW, facts={"account": "main", "reason": "401"})


async def pending(store: Store, channel: str = "all") -> list[object]:
    return [item.document["event"] for item in await store.outbox.batch(channel, 100)]


async def test_without_a_channel_nothing_is_written(store: Store, database: Path) -> None:
    await store.orders.save(Verdict(order=an_order(), transitions=(a_move(),)))
    assert facts(database, "SELECT count(*) FROM notes") == [(0,)]


async def test_a_transition_is_written_for_subscribed_channels_and_wakes_once(
    store: Store, database: Path
) -> None:
    rung: list[int] = []
    store.outbox.subscribe([ALL, DONE, replace(ALL, name="second")], lambda: rung.append(1))
    await store.orders.save(Verdict(order=an_order(), transitions=(a_move(), a_move("x"))))
    await store.orders.save(Verdict(order=await held(store)))
    assert await pending(store) == await pending(store, "second") == ["order.changed", "order.changed"]
    assert await pending(store, "done") == []
    assert rung == [1]
    assert facts(database, "SELECT count(*) FROM notes") == [(2,)]
    assert await store.outbox.pending() == {"all": 2, "second": 2}


async def test_what_was_not_written_is_not_notified(store: Store) -> None:
    store.outbox.subscribe([ALL])
    await store.orders.save(Verdict(order=an_order(), transitions=(a_move(),)))
    with pytest.raises(StaleOrderError):
        await store.orders.save(Verdict(order=an_order(), transitions=(a_move("again"),)))
    assert await pending(store) == ["order.changed"]


async def test_many_orders_of_a_list_are_notified(store: Store) -> None:
    store.outbox.subscribe([ALL])
    verdicts = [Verdict(order=an_order(n), transitions=(a_move(task_id=n),)) for n in (1, 2)]
    await store.orders.save_all(verdicts)
    assert [item.document["task_id"] for item in await store.outbox.batch("all", 9)] == [1, 2]


async def test_an_order_is_done_once(store: Store) -> None:
    store.outbox.subscribe([DONE])
    await store.orders.save(Verdict(order=an_order(last_seen_at=NOW)))
    for _ in range(2):
        await store.orders.save(Verdict(order=replace(await held(store), state=OrderState.DONE)))
    assert await pending(store, "done") == ["order.done"]


async def test_restored_orders_write_no_notifications(store: Store) -> None:
    store.outbox.subscribe([ALL])
    await store.maintenance.restore([Verdict(order=an_order(), transitions=(a_move(),))])
    assert await pending(store) == []


async def fetching(store: Store, delivery: Delivery) -> Delivery:
    await store.deliveries.save(machine.claimed(delivery, NOW))
    return machine.claimed(delivery, NOW).delivery


async def test_a_stored_delivery_is_notified_with_the_names_of_its_order(store: Store) -> None:
    store.outbox.subscribe(
        [replace(ALL, projects=("Harbour *",)), replace(ALL, name="other", projects=("Quay",))]
    )
    await store.orders.save(Verdict(order=an_order(project_name="Harbour east")))
    (delivery,) = await want(store, a_delivery())
    await store.deliveries.save(machine.on_stored(await fetching(store, delivery), NOW))
    (item,) = await store.outbox.batch("all", 9)
    assert item.document["event"] == "delivery.stored"
    assert item.document["project_name"] == "Harbour east"
    assert item.document["id"] == item.id
    assert await pending(store, "other") == []


async def test_parked_again_for_the_same_reason_is_notified_once(store: Store) -> None:
    store.outbox.subscribe([ALL])
    (delivery,) = await want(store, a_delivery())
    for reason in ("full", "full", "read-only"):
        failure = Failure(trouble=FailureKind.DISK, reason=reason)
        move = machine.on_failure(await fetching(store, delivery), failure, NOW, POLICY, 0.5)
        await store.deliveries.save(move)
        delivery = move.delivery
    assert [item.document["reason"] for item in await store.outbox.batch("all", 9)] == ["full", "read-only"]


async def test_a_notification_goes_once_the_last_channel_sent_it(store: Store, database: Path) -> None:
    store.outbox.subscribe([ALL, replace(ALL, name="second")])
    await store.orders.save(Verdict(order=an_order(), transitions=(a_move(), a_move("x"))))
    (first, _) = await store.outbox.batch("all", 9)
    await store.outbox.mark_sent("all", [first])
    assert len(await store.outbox.batch("all", 9)) == 1
    assert len(await store.outbox.batch("second", 9)) == 2
    for name in ("all", "second"):
        await store.outbox.mark_sent(name, await store.outbox.batch(name, 9))
    assert facts(database, "SELECT count(*) FROM notes") == [(0,)]


async def test_notifications_and_the_failures_of_a_channel_outlive_a_restart(database: Path) -> None:
    trouble = ChannelState(3, NOW, "503")
    async with open_store(database) as store:
        store.outbox.subscribe([ALL])
        await store.orders.save(Verdict(order=an_order(), transitions=(a_move(),)))
        before = await store.outbox.batch("all", 9)
        await store.outbox.save_state("all", trouble)
    async with open_store(database) as store:
        assert await store.outbox.batch("all", 9) == before
        assert await store.outbox.state("all") == trouble
        await store.outbox.mark_sent("all", before)
        assert await store.outbox.state("all") == ChannelState()


async def test_channels_that_are_no_more_are_forgotten(store: Store, database: Path) -> None:
    store.outbox.subscribe([ALL, replace(ALL, name="old")])
    await store.orders.save(Verdict(order=an_order(), transitions=(a_move(),)))
    await store.outbox.save_state("old", ChannelState(1, NOW, "so"))
    await store.outbox.retain(["all"])
    assert await store.outbox.pending() == {"all": 1}
    assert await store.outbox.state("old") == ChannelState()
    await store.outbox.retain([])
    assert facts(database, "SELECT count(*) FROM notes") == [(0,)]


async def test_notifications_are_discarded_by_age(store: Store) -> None:
    store.outbox.subscribe([ALL])
    for at in (NOW, NOW + MINUTE):
        await store.outbox.record_problems([ProblemChange(REFUSED, at)])
    assert await store.outbox.discard("all", NOW + MINUTE) == 1
    assert await store.outbox.pending() == {"all": 1}


async def test_a_problem_is_kept_until_it_ends_and_notified_twice(database: Path) -> None:
    async with open_store(database) as store:
        store.outbox.subscribe([ALL])
        await store.outbox.record_problems([ProblemChange(REFUSED, NOW)])
        await store.outbox.record_problems(
            [ProblemChange(replace(REFUSED, facts={"account": "x"}), NOW, notify=False)]
        )
    async with open_store(database) as store:
        store.outbox.subscribe([ALL])
        (kept,) = (await store.outbox.problems()).values()
        assert kept == replace(REFUSED, facts={"account": "x"})
        await store.outbox.record_problems([ProblemChange(kept, NOW + timedelta(hours=1), over=True)])
        assert await store.outbox.problems() == {}
        assert await pending(store) == ["problem.began", "problem.ended"]


async def test_transitions_of_deliveries_in_a_poll_are_not_notified(store: Store) -> None:
    store.outbox.subscribe([ALL])
    wanted = a_move("wanted", subject=Subject.DELIVERY, scene_id="scene-1")
    await store.orders.save(Verdict(order=an_order(), transitions=(wanted,), wanted=(a_delivery(),)))
    assert await pending(store) == []
