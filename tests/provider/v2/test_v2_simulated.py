"""The v2 API as the simulator plays it, in every shape that it knows."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from tests.provider.hosts import at
from tests.provider.kit import Desk
from tests.provider.v2.kit import captures_read, listed
from tests.provider.v2.test_v2_changes import BODY

from orderwatch.core.model import CapturePhase, OrderPhase
from orderwatch.core.ordering.matching import matches
from orderwatch.core.ordering.request import from_body
from orderwatch.errors import RejectedError, UnclearError
from orderwatch.provider.v2.tasking import OrdersApi
from orderwatch.service.ordering.order_requests import OrderRequests
from orderwatch.simulator import Scenario, Simulator, serve
from orderwatch.simulator.scenario import CONTRACT

PUBLISHED = {"status": ((0, "captured"), (0, "published")), "scenes": ({}, {})}
FAILED = {"status": ((0, "planned"), (0, "failed")), "reason": "clouds"}
LATER = {"start": "2100-01-01T00:00:00Z", "end": "2100-02-01T00:00:00Z"}
AREA = BODY | LATER


@asynccontextmanager
async def playing(
    desk: Desk,
    orders: Sequence[Mapping[str, object]] = ({},),
    **v2: object,
) -> AsyncIterator[tuple[OrdersApi, Simulator]]:
    numbered = [{"task_id": 100 + number, **order} for number, order in enumerate(orders)]
    scenario = Scenario.model_validate({"orders": numbered, "v2": v2})
    async with serve(scenario) as simulator:
        access = replace(
            at(simulator.api_url),
            client_id="sim-client",
            read_secret=lambda: "sim-secret",
            contract_id=CONTRACT,
            api="v2",
        )
        async with desk.connect(access) as connection:
            assert isinstance(connection.tasking, OrdersApi)
            yield connection.tasking, simulator


@pytest.mark.parametrize("envelope", ["features", "results", "items", "list"])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("other_names", [False, True])
async def test_an_order_is_read_in_every_shape(
    desk: Desk, envelope: str, *, nested: bool, other_names: bool
) -> None:
    order = {"status": ((0, "completed"),), "captures": (PUBLISHED, FAILED)}
    shape = {"envelope": envelope, "nested": nested, "other_names": other_names, "letters": "upper"}
    ids = {"capture_prefix": "cap.", "capture_field": "capture"}
    async with playing(desk, (order,), **shape, **ids) as (tasking, simulator):
        (seen,) = await listed(tasking)
        assert seen is not None
        assert (seen.task_id, seen.phase) == (simulator.scenario.orders[0].task_id, OrderPhase.CLOSED)
        one = await tasking.order(seen.order_id)
        captures = await captures_read(tasking, seen.order_id)
    assert one.reason == "CaptureFailed: clouds"
    shown = {capture.capture_id: capture for capture in simulator.scenario.orders[0].captures}
    assert captures.keys() == shown.keys()
    assert [captures[key].phase for key in shown] == [CapturePhase.PUBLISHED, CapturePhase.FAILED]


@pytest.mark.parametrize("field", ["", "capture", "outcome_id"])
async def test_deliverables_name_their_capture_or_count_as_one(desk: Desk, field: str) -> None:
    async with playing(desk, ({"captures": (PUBLISHED,)},), capture_field=field) as (tasking, _):
        (seen,) = await listed(tasking)
        assert seen is not None
        phases = [one.phase for one in (await captures_read(tasking, seen.order_id)).values()]
    published = CapturePhase.PUBLISHED
    assert phases == ([published] if field else [CapturePhase.CAPTURED, published, published])


@pytest.mark.parametrize("page_max", [500, 7])
@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("link", ["relative", "absolute"])
async def test_a_growing_list_is_read_once_each(
    desk: Desk, page_max: int, link: str, *, newest_first: bool
) -> None:
    orders = [{"created": number} for number in range(-60, -4)] + [{"sku": "ARCIMG-M.NN.NN", "created": -3}]
    options = {"page_max": page_max, "next": link, "newest_first": newest_first, "grows": 3}
    async with playing(desk, orders, **options) as (tasking, simulator):
        ids = [seen.order_id for seen in await listed(tasking) if seen]
    known = {order.order_id for order in simulator.scenario.orders if order.sku.startswith("TSK")}
    assert len(ids) == len(set(ids))
    assert len(known - set(ids)) <= 3
    assert set(ids) <= known


async def test_lists_of_the_contract_show_what_each_order_does(desk: Desk) -> None:
    orders = [{"captures": (PUBLISHED,) * (number % 3)} for number in range(9)]
    async with playing(desk, orders) as (tasking, simulator):
        ids = [seen.order_id for seen in await listed(tasking) if seen]
        each = [await captures_read(tasking, one) for one in ids]
        before = len(simulator.journal.entries)
        await tasking.expect(ids)
        assert [await captures_read(tasking, one) for one in ids] == each
        assert len(simulator.journal.entries) == before + 2


@pytest.mark.parametrize("page_max", [500, 2])
async def test_a_list_with_archive_orders_is_complete(desk: Desk, page_max: int) -> None:
    """Else no order could be placed: the list would seem to lack some."""
    archived = {"sku": "ARCIMG-M.NN.NN", "target": AREA["target"]}
    async with playing(desk, ({}, archived, archived, archived, {}), page_max=page_max) as (tasking, _):
        found = await OrderRequests(tasking, lambda: desk.now, bool).list_orders()
    assert len(found.orders) == 2
    assert found.unreadable == 0


@pytest.mark.parametrize("created", ["feature", "wrapped"])
async def test_a_placed_order_comes_back_and_is_found(desk: Desk, created: str) -> None:
    async with playing(desk, created=created) as (tasking, _):
        placed = await tasking.place(AREA)
        assert matches(from_body(AREA), placed)
        assert [seen and seen.order_id for seen in await listed(tasking)][-1] == placed.order_id


@pytest.mark.parametrize("created", ["no_id", "empty"])
async def test_a_placed_order_without_an_id_is_found_in_the_list(desk: Desk, created: str) -> None:
    async with playing(desk, created=created) as (tasking, _):
        with pytest.raises(UnclearError):
            await tasking.place(AREA)
        found = [seen for seen in await listed(tasking) if seen and matches(from_body(AREA), seen)]
    assert len(found) == 1


async def test_an_order_that_the_provider_does_not_take_is_rejected(desk: Desk) -> None:
    async with playing(desk) as (tasking, _):
        with pytest.raises(RejectedError, match="sku TSKXXX is unknown"):
            await tasking.place(AREA | {"sku": "TSKXXX"})


async def test_an_order_is_cancelled_as_a_task(desk: Desk) -> None:
    async with playing(desk) as (tasking, simulator):
        (seen,) = await listed(tasking)
        assert seen is not None
        assert (await tasking.cancel(seen.order_id)).phase is OrderPhase.CANCELED
        assert [entry.path for entry in simulator.journal.find(method="PATCH")] == [
            f"/tasking/tasks/{seen.task_id}/cancel/"
        ]


@pytest.mark.parametrize("body", [False, True])
async def test_an_order_that_is_no_task_is_deleted(desk: Desk, *, body: bool) -> None:
    order = {"task_appears": float("inf")}
    async with playing(desk, (order,), cancel_body=body, cancel_after=0) as (tasking, _):
        (seen,) = await listed(tasking)
        assert seen is not None
        assert seen.task_id is None
        assert (await tasking.cancel(seen.order_id)).phase is OrderPhase.CANCELED


async def test_a_refused_way_is_named(desk: Desk) -> None:
    order = {"task_appears": float("inf")}
    async with playing(desk, (order,), cancel="forbidden") as (tasking, _):
        (seen,) = await listed(tasking)
        assert seen is not None
        with pytest.raises(RejectedError, match="refuses this way"):
            await tasking.cancel(seen.order_id)


async def test_feasibility_is_requested(desk: Desk) -> None:
    async with playing(desk, analysis_after=0) as (tasking, _):
        assert (await tasking.feasibility(AREA)).feasible is False
