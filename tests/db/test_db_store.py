"""State, history and queue are written together or not at all, and never over a newer version."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from tests.db.kit import MINUTE, NOW, a_delivery, a_move, an_order, facts, held, row_of, want

from orderwatch.core.deliveries.state_machine import DeliveryUpdate, claimed
from orderwatch.core.model import Capture, CapturePhase, DeliveryState, OrderKey, OrderState, TrackedStatus
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.watches import OrderTraits, traits_of
from orderwatch.db.repositories import Store
from orderwatch.errors import StaleOrderError


def a_capture(capture_id: str = "capture-1", word: str = "captured") -> Capture:
    return Capture(capture_id=capture_id, status=TrackedStatus(word=word, phase=CapturePhase.CAPTURED))


def a_verdict() -> Verdict:
    return Verdict(order=an_order(captures=(a_capture(),)), transitions=(a_move(),), wanted=(a_delivery(),))


def in_no_state() -> DeliveryState:
    """A state that the table refuses."""
    return None  # type: ignore[return-value]  # wrong on purpose


async def test_state_history_and_todo_are_written_by_one_save(store: Store) -> None:
    await store.orders.save(a_verdict())
    order = await held(store)
    assert order.captures == (a_capture(),)
    assert order.deliveries == (a_delivery(),)
    assert await store.history.of_order("1") == [a_move()]
    assert await store.deliveries.in_states(DeliveryState.WANTED) == [a_delivery()]


async def test_the_second_of_two_new_orders_is_stale_and_history_is_written_once(store: Store) -> None:
    await store.orders.save(a_verdict())
    with pytest.raises(StaleOrderError):
        await store.orders.save(a_verdict())
    assert await store.history.of_order("1") == [a_move()]
    assert (await held(store)).version == 1


async def test_a_second_writer_with_an_older_version_is_stale_and_changes_nothing(store: Store) -> None:
    await store.orders.save(a_verdict())
    read = await held(store)
    await store.orders.save(Verdict(order=replace(read, task_name="first"), transitions=(a_move("first"),)))
    late = Verdict(
        order=replace(read, task_name="second", captures=(a_capture("late"),)),
        transitions=(a_move("second"),),
        wanted=(a_delivery("late"),),
    )
    with pytest.raises(StaleOrderError):
        await store.orders.save(late)
    order = await held(store)
    assert (order.task_name, order.version) == ("first", 2)
    assert [c.capture_id for c in order.captures] == ["capture-1"]
    assert [d.scene_id for d in order.deliveries] == ["scene-1"]
    assert [move.after for move in await store.history.of_order("1")] == ["in_progress", "first"]


async def test_an_order_that_is_not_there_any_more_is_stale(store: Store) -> None:
    with pytest.raises(StaleOrderError):
        await store.orders.save(Verdict(order=an_order(version=7)))
    assert await store.orders.list_all() == []


@pytest.mark.parametrize("known", [False, True], ids=["new order", "known order"])
async def test_a_save_that_fails_at_its_last_row_leaves_nothing_behind(
    store: Store, database: Path, *, known: bool
) -> None:
    if known:
        await store.orders.save(a_verdict())
    before = await store.orders.list_all(), await store.history.of_order("1")
    order = before[0][0] if known else an_order()
    broken = Verdict(
        order=replace(order, task_name="torn", captures=(a_capture("torn"),)),
        wanted=(a_delivery("torn"),),
        transitions=(a_move("torn"), replace(a_move(), after=None)),  # type: ignore[arg-type]  # the table refuses it
    )
    with pytest.raises(IntegrityError):
        await store.orders.save(broken)
    assert (await store.orders.list_all(), await store.history.of_order("1")) == before
    for table in ("orders", "captures", "deliveries", "transitions"):
        assert facts(database, f"SELECT count(*) FROM {table}") == [(int(known),)]  # noqa: S608  # our own names


async def test_the_store_works_on_after_a_failed_write(store: Store) -> None:
    with pytest.raises(IntegrityError):
        await store.orders.save(Verdict(order=an_order(), wanted=(a_delivery(state=in_no_state()),)))
    await store.orders.save(a_verdict())
    assert (await held(store)).version == 1


async def test_the_same_task_id_in_two_accounts_is_two_orders(store: Store) -> None:
    for account in ("one", "two"):
        await want(store, a_delivery(account=account))
    one, two = await store.orders.list_all("1")
    assert [(o.account, [d.account for d in o.deliveries]) for o in (one, two)] == [
        ("one", ["one"]),
        ("two", ["two"]),
    ]
    (delivery,) = one.deliveries
    await store.deliveries.save(claimed(delivery, NOW))
    assert (await row_of(store, two.deliveries[0])).state is DeliveryState.WANTED
    assert ((await held(store, account="one")).version, (await held(store, account="two")).version) == (2, 1)


async def test_captures_and_deliveries_keep_their_order_when_written_again(store: Store) -> None:
    captures = tuple(a_capture(f"capture-{n}") for n in (3, 1, 2))
    wanted = [a_delivery(f"scene-{n}") for n in (3, 1, 2)]
    await store.orders.save(Verdict(order=an_order(captures=captures), wanted=tuple(wanted)))
    order = await held(store)
    moved = tuple(replace(c, satellite_name="newsat") for c in reversed(order.captures))
    renewed = replace(order.deliveries[0], fingerprint="published again")
    await store.orders.save(Verdict(order=replace(order, captures=moved), wanted=(renewed,)))
    order = await held(store)
    assert [c.capture_id for c in order.captures] == ["capture-3", "capture-1", "capture-2"]
    assert {c.satellite_name for c in order.captures} == {"newsat"}
    assert order.deliveries == (renewed, *wanted[1:])


async def test_a_renewed_delivery_gives_its_path_back(store: Store) -> None:
    first, second = await want(store, a_delivery("a"), a_delivery("b"))
    assert await store.deliveries.reserve(first, "harbour/x.zip")
    await want(store, replace(first, fingerprint="published again"))
    assert (await row_of(store, first)).path is None
    assert await store.deliveries.reserve(second, "harbour/x.zip")


async def test_save_writes_the_delivery_and_its_move_and_makes_readings_of_the_order_stale(
    store: Store,
) -> None:
    (delivery,) = await want(store, a_delivery())
    read = await held(store)
    move = claimed(delivery, NOW)
    await store.deliveries.save(move)
    assert await row_of(store, delivery) == move.delivery
    assert await store.history.of_order("1") == [move.transition]
    assert (await held(store)).version == read.version + 1
    with pytest.raises(StaleOrderError):
        await store.orders.save(Verdict(order=read))


async def test_save_from_a_state_that_was_left_meanwhile_is_stale_and_writes_no_history(
    store: Store,
) -> None:
    (delivery,) = await want(store, a_delivery())
    first = claimed(delivery, NOW)
    await store.deliveries.save(first)
    with pytest.raises(StaleOrderError):
        await store.deliveries.save(claimed(delivery, NOW + MINUTE))
    assert await row_of(store, delivery) == first.delivery
    assert await store.history.of_order("1") == [first.transition]
    assert (await held(store)).version == 2


async def test_save_of_figures_only_is_no_move_and_leaves_readings_of_the_order_good(store: Store) -> None:
    (delivery,) = await want(store, a_delivery())
    read = await held(store)
    counted = replace(delivery, durable=4096, total=8192, validator='"etag"')
    await store.deliveries.save(DeliveryUpdate(delivery=counted, transition=None))
    assert await row_of(store, delivery) == counted
    assert await store.history.of_order("1") == []
    await store.orders.save(Verdict(order=read))


async def test_save_never_takes_or_drops_a_path(store: Store) -> None:
    (delivery,) = await want(store, a_delivery())
    await store.deliveries.reserve(delivery, "harbour/x.zip")
    await store.deliveries.save(
        DeliveryUpdate(delivery=replace(delivery, path="elsewhere.zip", durable=1), transition=None)
    )
    assert (await row_of(store, delivery)).path == "harbour/x.zip"


async def test_save_of_a_delivery_that_is_not_there_is_stale(store: Store) -> None:
    await want(store, a_delivery())
    for unknown in (a_delivery("other"), a_delivery(version=2), a_delivery(task_id=2)):
        with pytest.raises(StaleOrderError):
            await store.deliveries.save(DeliveryUpdate(delivery=unknown, transition=None))


async def test_a_save_whose_transition_cannot_be_written_leaves_the_delivery_as_it_was(store: Store) -> None:
    (delivery,) = await want(store, a_delivery())
    move = claimed(delivery, NOW)
    assert move.transition is not None
    torn = replace(move.transition, kind=None)  # type: ignore[arg-type]  # the table refuses it
    with pytest.raises(IntegrityError):
        await store.deliveries.save(replace(move, transition=torn))
    assert await row_of(store, delivery) == delivery
    assert (await held(store)).version == 1


async def test_a_checkpoint_moves_only_the_durable_bytes_of_its_own_delivery(store: Store) -> None:
    first, second = await want(store, a_delivery("a"), a_delivery("b", reason="kept"))
    read = await held(store)
    await store.deliveries.checkpoint(first, 2**40)
    assert (await held(store)).deliveries == (replace(first, durable=2**40), second)
    await store.orders.save(Verdict(order=read))


async def test_deliveries_come_in_the_states_asked_for_oldest_first_and_by_account(store: Store) -> None:
    one = await want(store, *(a_delivery(f"s{n}", account="one") for n in range(3)))
    two = await want(store, *(a_delivery(f"s{n}", account="two") for n in range(2)))
    move = claimed(one[1], NOW)
    await store.deliveries.save(move)
    wanted, fetching = DeliveryState.WANTED, DeliveryState.FETCHING
    assert await store.deliveries.in_states(wanted) == [one[0], one[2], *two]
    assert await store.deliveries.in_states(wanted, fetching, account="one") == [
        one[0],
        move.delivery,
        one[2],
    ]
    assert await store.deliveries.in_states(DeliveryState.STORED) == []


async def test_watchable_are_the_orders_whose_look_is_due_soonest_first(store: Store) -> None:
    for task_id, minutes in ((1, 3), (2, -2), (3, 0), (4, -1)):
        await store.orders.save(Verdict(order=an_order(task_id, next_look_at=NOW + minutes * MINUTE)))
    await store.orders.save(Verdict(order=an_order(5, state=OrderState.DONE)))
    await store.orders.save(Verdict(order=an_order(6, "other", next_look_at=NOW - MINUTE)))
    assert [known.task_id for known in await store.orders.watchable("main", NOW)] == [2, 4, 3]
    assert [known.task_id for known in await store.orders.watchable("main", None)] == [2, 4, 3, 1]
    assert [known.task_id for known in await store.orders.watchable("other", NOW)] == [6]


@pytest.mark.parametrize("state", [state for state in OrderState if state is not OrderState.DONE])
async def test_watchable_returns_what_decides_whether_an_order_is_watched(
    store: Store, state: OrderState
) -> None:
    bare, named = an_order(1), an_order(2, project_name="P", task_name="T", placed_at=NOW, state=state)
    await store.orders.save_all([Verdict(order=bare), Verdict(order=named)])
    found = sorted(await store.orders.watchable("main", None))
    assert found == [traits_of(bare), traits_of(named)]
    assert found[1] == OrderTraits("2", 2, "P", "T", NOW, "in_progress")


async def test_orders_are_found_by_their_ids_with_all_that_belongs_to_them(store: Store) -> None:
    for task_id, account in ((1, "main"), (2, "main"), (3, "main"), (1, "other")):
        order = an_order(task_id, account, captures=(a_capture(),))
        await store.orders.save(Verdict(order=order, wanted=(a_delivery(task_id=task_id, account=account),)))
    found = await store.orders.get_many("main", ["1", "3", "4"])
    assert found == {str(task_id): await held(store, task_id) for task_id in (1, 3)}
    assert [d.account for d in found["1"].deliveries] == ["main"]
    assert await store.orders.get_many("main", []) == {}


async def test_unknown_are_the_ids_that_no_order_of_the_account_has(store: Store) -> None:
    await store.orders.save(Verdict(order=an_order(1)))
    await store.orders.save(Verdict(order=an_order(2, "other")))
    keys = [OrderKey("1", 1), OrderKey("2", 2), OrderKey("3", 3)]
    assert await store.orders.unknown("main", keys) == set(keys[1:])
    assert await store.orders.unknown("other", set(keys[:2])) == {keys[0]}
    assert await store.orders.unknown("main", []) == set()


def of_every_kind(account: str) -> list[Verdict]:
    """A known order that moves, new ones with and without anything that belongs to them."""
    known = an_order(1, account, version=1, task_name="moved", captures=(a_capture(),))
    full, empty = an_order(2, account, captures=(a_capture(),)), an_order(3, account)
    wanted = (a_delivery(account=account, task_id=2),)
    moves = [a_move(account=account, task_id=n, at=NOW + n * MINUTE) for n in range(5)]
    return [
        Verdict(order=empty, transitions=(moves[3], replace(moves[3], after="again"))),
        Verdict(order=known, transitions=(moves[1],), wanted=(a_delivery(account=account),)),
        Verdict(order=full, transitions=(moves[2],), wanted=wanted),
        Verdict(order=an_order(4, account, document={"a": [1]}, placed_at=NOW), transitions=(moves[4],)),
        Verdict(order=an_order(5, account)),
    ]


async def test_many_orders_saved_together_are_what_each_alone_would_be(store: Store) -> None:
    for account in ("one", "two"):
        await store.orders.save(Verdict(order=an_order(1, account)))
    for verdict in of_every_kind("one"):
        await store.orders.save(verdict)
    await store.orders.save_all(of_every_kind("two"))
    found = await store.orders.list_all()
    one, two = ([order for order in found if order.account == name] for name in ("one", "two"))
    assert [o.task_id for o in one] == [1, 2, 3, 4, 5]
    assert [
        replace(o, account="one", deliveries=tuple(replace(d, account="one") for d in o.deliveries))
        for o in two
    ] == one
    for task_id in range(1, 6):
        moves = await store.history.of_order(str(task_id))
        ours, theirs = ([m for m in moves if m.account == name] for name in ("one", "two"))
        assert [replace(m, account="one") for m in theirs] == ours


async def test_saving_no_orders_is_no_error(store: Store) -> None:
    await store.orders.save_all([])
    assert await store.orders.list_all() == []


@pytest.mark.parametrize("held", [Verdict(order=an_order(2)), a_verdict()], ids=["bare", "full"])
async def test_a_new_order_that_somebody_recorded_meanwhile_is_stale_among_many_too(
    store: Store, held: Verdict
) -> None:
    await store.orders.save(held)
    with pytest.raises(StaleOrderError):
        await store.orders.save_all(
            [Verdict(order=an_order(n), transitions=(a_move("late"),)) for n in (1, 2, 3)]
        )
    assert [order.task_id for order in await store.orders.list_all()] == [held.order.task_id]
    assert "late" not in [move.after for _, move in await store.history.after(0)]


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_of_many_orders_none_is_saved_if_one_is_stale(store: Store, place: int) -> None:
    for task_id in (1, 2, 3):
        await store.orders.save(Verdict(order=an_order(task_id), transitions=(a_move(task_id=task_id),)))
    before = await store.orders.list_all()
    read = list(before)
    read[place] = replace(read[place], version=7)
    late = [
        Verdict(
            order=replace(order, task_name="late", captures=(a_capture("late"),)),
            transitions=(a_move("late", task_id=order.task_id),),
            wanted=(a_delivery("late", order.task_id),),
        )
        for order in (*read, an_order(4), an_order(5))
    ]
    with pytest.raises(StaleOrderError):
        await store.orders.save_all(late)
    assert await store.orders.list_all() == before
    assert [move.after for _, move in await store.history.after(0)] == ["in_progress"] * 3


async def test_an_order_that_comes_twice_in_one_batch_is_stale(store: Store) -> None:
    """The second was decided on a reading that the first made stale."""
    with pytest.raises(StaleOrderError):
        await store.orders.save_all([Verdict(order=an_order()), Verdict(order=an_order())])
    assert await store.orders.list_all() == []


async def test_moves_are_numbered_over_all_orders_oldest_first(store: Store) -> None:
    await store.orders.save(Verdict(order=an_order(1), transitions=(a_move("a"), a_move("b"))))
    await store.orders.save(Verdict(order=an_order(2), transitions=(a_move("c", task_id=2),)))
    numbered = await store.history.after(0)
    assert [move.after for _, move in numbered] == ["a", "b", "c"]
    assert await store.history.after(numbered[1][0]) == numbered[2:]


@pytest.mark.sqlite
async def test_every_search_for_one_delivery_uses_an_index(store: Store, database: Path) -> None:
    """A checkpoint must not read all deliveries ever made while it holds the file."""
    (delivery,) = await want(store, a_delivery())
    seen: list[str] = []

    def trace(db: Connection) -> None:
        raw = db.connection.driver_connection
        assert raw is not None
        raw.set_trace_callback(seen.append)

    await store.database.write(trace)
    await store.deliveries.checkpoint(delivery, 1)
    await store.deliveries.save(claimed(delivery, NOW))
    await store.deliveries.reserve(delivery, "x.zip")
    updates = [statement for statement in seen if statement.startswith("UPDATE deliveries")]
    plans = [step for update in updates for (*_, step) in facts(database, f"EXPLAIN QUERY PLAN {update}")]
    assert len(updates) == 3
    assert not [step for step in plans if step.startswith("SCAN")]


async def test_a_move_timed_before_another_was_written_does_not_stand_behind_a_later_time(
    store: Store,
) -> None:
    """Two writers wait for their turn; a clock that was set back by more than that is shown as it was."""
    early, set_back = NOW - MINUTE / 60, NOW - 60 * MINUTE
    await store.orders.save(Verdict(order=an_order(), transitions=(a_move("first"),)))
    order = await held(store)
    await store.orders.save(
        Verdict(order=order, transitions=(a_move("second", at=early), a_move("third", at=set_back)))
    )
    assert [(m.after, m.at) for m in await store.history.of_order("1")] == [
        ("first", NOW),
        ("second", NOW),
        ("third", set_back),
    ]
