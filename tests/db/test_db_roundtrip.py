"""What is written is what is read: every field, every time, every word."""

import asyncio
import itertools
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import StatementError
from tests.db.kit import (
    DELIVERIES,
    MOVES,
    NOW,
    ORDERS,
    a_delivery,
    a_move,
    an_order,
    facts,
    held,
    row_of,
    want,
    written,
)
from tests.examples import examples

from orderwatch.core.deliveries.state_machine import DeliveryUpdate
from orderwatch.core.model import Capture, Delivery, Order, SceneFacts, TrackedStatus, Transition
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.mappers import capture_row, circuit_row, delivery_row, order_row, transition_row
from orderwatch.db.repositories import Store, open_store

_BRAZIL = timezone(timedelta(hours=-3))


class _Nowhere(tzinfo):
    """A zone that does not know its offset."""

    def utcoffset(self, _: datetime | None) -> None:
        return None

    dst = utcoffset

    def tzname(self, _: datetime | None) -> None:
        return None


@pytest.mark.sqlite
def test_every_field_comes_back_as_it_was_written_and_written_over(database: Path) -> None:
    task_ids = itertools.count(1)

    async def write_and_read(
        store: Store, order: Order, other: Order, moves: list[Transition], later: Delivery
    ) -> None:
        await store.orders.save(Verdict(order=order, transitions=tuple(moves), wanted=order.deliveries))
        assert await held(store, order.task_id) == written(order)
        assert await store.history.of_order(order.order_id) == moves
        over = replace(other, captures=order.captures, deliveries=order.deliveries, version=1)
        await store.orders.save(Verdict(order=over))
        assert await held(store, order.task_id) == written(over)
        for delivery in order.deliveries:
            changed = replace(later, **{name: getattr(delivery, name) for name in _KEY})
            await store.deliveries.save(DeliveryUpdate(delivery=changed, transition=None))
            assert await row_of(store, changed) == changed

    with asyncio.Runner() as runner:
        opened = open_store(database)
        store = runner.run(opened.__aenter__())

        @settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(order=ORDERS, other=ORDERS, moves=st.lists(MOVES, max_size=3), later=DELIVERIES)
        def each(order: Order, other: Order, moves: list[Transition], later: Delivery) -> None:
            task_id = next(task_ids)
            key: dict[str, Any] = {"order_id": str(task_id), "task_id": task_id}
            deliveries = tuple(replace(delivery, **key) for delivery in order.deliveries)
            order = replace(order, **key, deliveries=deliveries)
            moves = [replace(move, **key) for move in moves]
            runner.run(write_and_read(store, order, replace(other, **key), moves, later))

        try:
            each()
        finally:
            runner.run(opened.__aexit__(None, None, None))


def test_no_field_of_a_value_is_left_out_of_its_row() -> None:
    standing = {"word", "phase", "doubts", "doubted_at"}
    capture = Capture(capture_id="c", status=TrackedStatus(word="", phase=None))
    derived = {"priority"}  # by the document
    assert set(order_row(an_order())) - standing - derived == _names(Order) - {
        "status",
        "version",  # counted by the store
        "listed_at",  # of the account's last sweep
        "captures",
        "deliveries",
        "counted",  # the deliveries, for a list
    }
    assert set(capture_row(1, capture)) - standing == _names(Capture) - {"status"} | {"order_row"}
    assert set(delivery_row(a_delivery())) - {"pictured_at"} == _names(Delivery) - {
        "root",
        "path",
        "fence",
    }  # by `reserve` and claims
    assert set(transition_row(a_move())) == _names(Transition)
    assert set(circuit_row(None)) == _names(OpenCircuit)


async def test_a_time_with_another_offset_comes_back_as_the_same_moment_in_utc(store: Store) -> None:
    there = NOW.astimezone(_BRAZIL)
    scene = SceneFacts(timestamp=there)
    order = an_order(placed_at=there, start=there, end=there, looked_at=there, next_look_at=there)
    verdict = Verdict(
        order=order, wanted=(a_delivery(not_before=there, scene=scene),), transitions=(a_move(at=there),)
    )
    await store.orders.save(verdict)
    await store.accounts.mark_listed("main", there, ["1"])
    read = await held(store)
    (delivery,) = read.deliveries
    (move,) = await store.history.of_order("1")
    for time in (
        read.placed_at,
        read.start,
        read.end,
        read.listed_at,
        read.looked_at,
        read.next_look_at,
        delivery.not_before,
        delivery.scene.timestamp,
        move.at,
    ):
        assert time == NOW
        assert time is not None
        assert time.tzinfo is UTC


async def test_times_of_different_offsets_are_compared_as_moments(store: Store) -> None:
    due = (NOW - timedelta(minutes=1)).astimezone(timezone(timedelta(hours=9)))
    not_due = (NOW + timedelta(minutes=1)).astimezone(_BRAZIL)
    for task_id, time in ((1, due), (2, not_due)):
        await store.orders.save(Verdict(order=an_order(task_id, next_look_at=time)))
    assert [known.task_id for known in await store.orders.watchable("main", NOW.astimezone(_BRAZIL))] == [1]


@pytest.mark.parametrize(
    "time", [NOW.replace(tzinfo=None), NOW.replace(tzinfo=_Nowhere())], ids=["naive", "nowhere"]
)
async def test_a_time_without_a_zone_is_refused_wherever_it_stands(store: Store, time: datetime) -> None:
    verdicts = [
        Verdict(order=an_order(start=time)),
        Verdict(order=an_order(), transitions=(a_move(at=time),)),
        Verdict(order=an_order(), wanted=(a_delivery(not_before=time),)),
        Verdict(order=an_order(), wanted=(a_delivery(scene=SceneFacts(timestamp=time)),)),
    ]
    for verdict in verdicts:
        with pytest.raises((StatementError, ValueError), match="without a zone"):
            await store.orders.save(verdict)
    with pytest.raises(StatementError, match="without a zone"):
        await store.orders.watchable("main", time)
    with pytest.raises(StatementError, match="without a zone"):
        await store.accounts.mark_listed("main", time, [])
    assert await store.orders.list_all() == []


@pytest.mark.sqlite
async def test_times_stand_in_the_file_as_sortable_text_in_utc(store: Store, database: Path) -> None:
    await want(store, a_delivery(not_before=NOW.astimezone(_BRAZIL)))
    assert facts(database, "SELECT not_before FROM deliveries") == [("2026-11-22 12:00:00.000000",)]


async def test_a_list_of_no_orders_is_empty_and_an_unknown_order_is_none(store: Store) -> None:
    assert await store.orders.list_all() == []
    assert await store.orders.list_all("1") == []
    assert await store.orders.get("main", "1") is None
    assert await store.history.of_order("1") == []
    assert await store.orders.get_many("main", ["1"]) == {}
    assert await store.accounts.states() == {}
    assert await store.history.publication_lags(10) == []


_KEY = ("account", "order_id", "task_id", "capture_id", "scene_id", "attachment", "version")


def _names(value: type) -> set[str]:
    return {field.name for field in fields(value)}


async def test_a_date_that_cannot_be_and_was_written_before_is_read_as_none(store: Store) -> None:
    unset = datetime(1, 1, 1, tzinfo=UTC)
    taken = Capture(capture_id="c", status=TrackedStatus(word="", phase=None), start=unset)
    shown = a_delivery(scene=SceneFacts(timestamp=unset))
    order = replace(an_order(), start=unset, end=unset, placed_at=unset, captures=(taken,))
    await store.orders.save(Verdict(order=order, wanted=(shown,)))
    (found,) = await store.orders.list_all()
    assert (found.start, found.end, found.placed_at) == (None, None, None)
    assert found.captures[0].start is None
    assert found.deliveries[0].scene.timestamp is None
