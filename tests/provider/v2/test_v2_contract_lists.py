"""Lists of the whole contract save requests, and never hide what an order's own lists show."""

import itertools
from collections.abc import Iterator

import pytest
from aiohttp import web
from tests.provider.kit import Desk
from tests.provider.v2.kit import Api, Reply, capture, captures_read, deliverable, paged, refused

from orderwatch.core.model import CapturePhase
from orderwatch.provider.page_limits import REMEMBER_SECONDS
from orderwatch.provider.v2.tasking import OrdersApi

ALL_CAPTURES, ALL_DELIVERABLES = "GET /v2/captures/", "GET /v2/deliverables/"
ORDERS = [f"{number:06}" for number in range(10)]


def own(order_id: str, part: str) -> str:
    return f"GET /v2/orders/{order_id}/{part}"


def rows(order_id: str) -> tuple[dict[str, object], dict[str, object]]:
    capture_id = f"capture-{order_id}"
    made = {"order": order_id, "capture_id": capture_id, "deliverable_id": f"deliv.{order_id}"}
    return capture(capture_id, order=order_id), deliverable() | made


def contract(whole: list[str], **lists: Reply) -> Api:
    """Every order has a capture and a deliverable; the lists of the contract show those of `whole`."""
    each = {order_id: rows(order_id) for order_id in ORDERS}
    answers: dict[str, Reply] = {
        ALL_CAPTURES: paged([each[one][0] for one in whole], "results"),
        ALL_DELIVERABLES: paged([each[one][1] for one in whole], "features"),
    }
    for order_id, (taken, made) in each.items():
        answers |= {own(order_id, "captures"): [taken], own(order_id, "deliverables"): [made]}
    return Api(answers | {f"GET /v2/{name}/": reply for name, reply in lists.items()})


EACH = [own(order_id, part) for order_id in ORDERS for part in ("captures", "deliverables")]


async def sweep(api: Api, desk: Desk) -> Iterator[list[str]]:
    """What is asked for in two sweeps, after one that reads each order itself."""
    asked = []
    async with api.open(desk) as tasking:
        for number in range(3):
            api.asked.clear()
            await tasking.expect(ORDERS)
            for order_id in ORDERS:
                (seen,) = (await captures_read(tasking, order_id)).values()
                assert seen.capture_id == f"capture-{order_id}"
                assert seen.phase is CapturePhase.PUBLISHED
            if number:
                asked.append([*api.asked])
            else:
                assert api.asked == EACH
    return iter(asked)


async def read_each(api: Api, tasking: OrdersApi) -> None:
    for order_id in ORDERS:
        await captures_read(tasking, order_id)
    api.asked.clear()


WHOLE = ["GET /v2/captures/?limit=500&offset=0", "GET /v2/deliverables/?limit=500&offset=0"]


async def test_two_requests_are_enough_for_many_orders(desk: Desk) -> None:
    assert [*await sweep(contract(ORDERS), desk)] == [WHOLE, WHOLE]


async def test_an_order_that_the_lists_leave_out_is_read_itself_each_time(desk: Desk) -> None:
    left_out = [own(order_id, part) for order_id in ORDERS[7:] for part in ("captures", "deliverables")]
    assert [*await sweep(contract(ORDERS[:7]), desk)] == [[*WHOLE, *left_out], [*WHOLE, *left_out]]


@pytest.mark.parametrize("status", [400, 403, 404, 405, 422])
@pytest.mark.parametrize("name", ["captures", "deliverables"])
async def test_lists_that_are_not_offered_are_remembered(desk: Desk, name: str, status: int) -> None:
    first, second = await sweep(contract(ORDERS, **{name: refused(status)}), desk)
    assert [one for one in first if one.startswith("GET /v2/orders/")] == EACH
    assert second == EACH


async def test_lists_are_tried_again_after_some_hours(desk: Desk) -> None:
    api = contract(ORDERS, captures=refused(404))
    async with api.open(desk) as tasking:
        for _ in range(2):
            await read_each(api, tasking)
            await tasking.expect(ORDERS)
            assert len(api.asked) == 1
            desk.at += REMEMBER_SECONDS


async def test_lists_that_fail_for_now_are_tried_again_in_the_next_sweep(desk: Desk) -> None:
    api = contract(ORDERS, captures=refused(500))
    async with api.open(desk) as tasking:
        await read_each(api, tasking)
        for _ in range(2):
            api.asked.clear()
            await tasking.expect(ORDERS)
            assert len(await captures_read(tasking, ORDERS[0])) == 1
            assert api.asked[-2:] == [own(ORDERS[0], "captures"), own(ORDERS[0], "deliverables")]
            assert ALL_CAPTURES in api.asked[0]


@pytest.mark.parametrize("nameless", [{"order": None}, {"order": {}}, {"order": ""}])
async def test_a_row_that_names_no_order_makes_the_lists_useless(
    desk: Desk, nameless: dict[str, object]
) -> None:
    api = contract(ORDERS, captures=[capture() | nameless])
    first, second = await sweep(api, desk)
    assert not {*WHOLE} & {*second}
    assert WHOLE[1] not in first


@pytest.mark.parametrize("name", ["order", "order_id"])
@pytest.mark.parametrize("nested", [False, True])
async def test_rows_may_be_nested_and_name_the_order_otherwise(
    desk: Desk, name: str, *, nested: bool
) -> None:
    def shown(row: dict[str, object]) -> dict[str, object]:
        row = {(name if key == "order" else key): value for key, value in row.items()}
        return {"type": "Feature", "properties": row} if nested else row

    both = [rows(order_id) for order_id in ORDERS]
    api = contract([], captures=[shown(one) for one, _ in both], deliverables=[shown(one) for _, one in both])
    assert [*await sweep(api, desk)] == [WHOLE, WHOLE]


async def test_an_order_without_rows_costs_no_request_of_its_own(desk: Desk) -> None:
    api = contract([])
    api.answers = {**api.answers, **{key: [] for key in EACH}}
    async with api.open(desk) as tasking:
        await read_each(api, tasking)
        await tasking.expect(ORDERS)
        assert [await captures_read(tasking, order_id) for order_id in ORDERS] == [{}] * len(ORDERS)
    assert api.asked == WHOLE


async def test_each_order_is_read_itself_every_few_hours(desk: Desk) -> None:
    """Else rows that the lists leave out would never be seen."""
    api = contract(ORDERS)
    async with api.open(desk) as tasking:
        await read_each(api, tasking)
        desk.at += REMEMBER_SECONDS
        await tasking.expect(ORDERS)
        await captures_read(tasking, ORDERS[0])
    assert api.asked == EACH[:2]


async def test_new_rows_are_seen_in_the_lists(desk: Desk) -> None:
    api = contract(ORDERS)
    late = ORDERS[0]
    api.answers = {**api.answers, own(late, "captures"): [], own(late, "deliverables"): []}
    async with api.open(desk) as tasking:
        await read_each(api, tasking)
        await tasking.expect(ORDERS)
        assert len(await captures_read(tasking, late)) == 1
    assert api.asked == WHOLE


async def test_rows_are_given_out_once_and_only_while_they_are_fresh(desk: Desk) -> None:
    api = contract(ORDERS)
    async with api.open(desk) as tasking:
        await read_each(api, tasking)
        await tasking.expect(ORDERS)
        for order_id, later, requests in [(ORDERS[0], 0, 0), (ORDERS[0], 0, 2), (ORDERS[1], 3600, 2)]:
            api.asked.clear()
            desk.at += later
            await captures_read(tasking, order_id)
            assert len(api.asked) == requests


async def test_few_orders_are_read_one_by_one(desk: Desk) -> None:
    api = contract(ORDERS)
    async with api.open(desk) as tasking:
        await read_each(api, tasking)
        await tasking.expect(ORDERS[:2])
        await tasking.expect([])
    assert api.asked == []


@pytest.mark.parametrize("counts", [True, False])
async def test_long_lists_are_not_read_to_the_end(desk: Desk, *, counts: bool) -> None:
    """Of a list of 1,000 pages one is read if the provider counts, else no more than the orders cost."""
    numbers = itertools.count(1)

    def reply(request: web.Request) -> web.Response:
        row = capture(f"{next(numbers)}", order="999999")
        after = int(request.query["offset"]) + 1
        following = f"{request.path.rstrip('/')}?offset={after}&limit=1" if after < 1000 else None
        page = {"next": following, "results": [row]} | ({"count": 1000} if counts else {})
        return web.json_response(page)

    api = contract(ORDERS, captures=reply)
    async with api.open(desk) as tasking:
        await read_each(api, tasking)
        await tasking.expect(ORDERS)
        assert len(api.asked) == (1 if counts else len(ORDERS) - 1)
        await tasking.expect(ORDERS)
        assert len(api.asked) == (1 if counts else len(ORDERS) - 1)
