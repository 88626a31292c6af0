"""Orders of STAPI: what is read, in what pages, and why they ended."""

from datetime import UTC, datetime
from itertools import count

import pytest
from aiohttp import web
from tests.provider.kit import Desk
from tests.provider.stapi.kit import LIST, ORDER_ID, PATH, STATUSES, TOKEN, Api, feature, link, listed, status

from orderwatch.core.model import CapturePhase, OrderPhase
from orderwatch.errors import AnswerError, MissingError, RefusedError, RejectedError, UnavailableError
from orderwatch.provider.sanitize import MAX_REASON_CHARS
from orderwatch.provider.stapi.words import order_phase


def fails(code: int) -> object:
    return lambda _: web.Response(status=code)


async def test_an_order_is_read(desk: Desk) -> None:
    now = status("held", reason_code="review", reason_text="by hand")
    api = Api({PATH: feature(now, later="kept"), STATUSES: {"statuses": [now]}})
    async with api.open(desk) as provider:
        seen = await provider.tasking.order(ORDER_ID)
    assert (seen.order_id, seen.task_id, seen.task_name) == (ORDER_ID, None, None)
    assert (seen.status, seen.phase, seen.reason) == ("held", OrderPhase.RECEIVED, "review: by hand")
    assert seen.product == "umbra_spotlight"
    assert seen.placed_at == datetime(2026, 11, 1, 9, tzinfo=UTC)
    assert (seen.start, seen.end) == (datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC))
    assert seen.document["target"] == {"type": "Point", "coordinates": [4.4, 51.9]}
    assert seen.document["later"] == "kept"
    assert api.asked == ["GET /orders/0b1f-harbour%207", "GET /orders/0b1f-harbour%207/statuses?limit=100"]
    assert api.tokens == {f"Bearer {TOKEN}"}


async def test_a_reason_is_short_and_holds_no_link(desk: Desk) -> None:
    now = status("rejected", reason_code="code", reason_text="see https://x/?token=canary " + "word " * 400)
    async with Api({LIST: {"features": [feature(now)]}}).open(desk) as provider:
        (seen,) = await listed(provider)
    assert seen is not None
    assert seen.reason is not None
    assert seen.reason.startswith("code: see … word word")
    assert len(seen.reason) <= MAX_REASON_CHARS
    assert "canary" not in seen.reason


async def test_an_order_that_ended_has_the_last_reason_of_its_history(desk: Desk) -> None:
    history = [
        status("accepted", timestamp="2026-11-01T10:00:00Z", reason_text="welcome"),
        status("canceled", timestamp="2026-11-05T10:00:00Z"),
        status("processing", timestamp="2026-11-04T10:00:00Z", reason_code="cloud_cover"),
    ]
    ended = Api({PATH: feature(status("canceled")), STATUSES: {"statuses": history}})
    async with ended.open(desk) as provider:
        assert (await provider.tasking.order(ORDER_ID)).reason == "cloud_cover"
    done = Api({PATH: feature(status("completed")), STATUSES: {"statuses": history}})
    async with done.open(desk) as provider:
        assert (await provider.tasking.order(ORDER_ID)).reason is None


@pytest.mark.parametrize("code", [404, 405, 403, 500])
async def test_an_order_is_read_where_its_history_is_not_offered(desk: Desk, code: int) -> None:
    api = Api({PATH: feature(), STATUSES: fails(code)})
    async with api.open(desk) as provider:
        assert (await provider.tasking.order(ORDER_ID)).status == "accepted"
        tries = len(api.asked)
        assert (await provider.tasking.order(ORDER_ID)).status == "accepted"
    if code != 404:  # which may be of this order alone
        assert len(api.asked) == tries + 1


async def test_a_history_that_fails_after_it_was_read_is_an_error(desk: Desk) -> None:
    codes = iter([200, *[503] * 10])

    def sometimes(_: web.Request) -> web.StreamResponse:
        code = next(codes)
        return web.json_response({"statuses": []}, status=code)

    async with Api({PATH: feature(), STATUSES: sometimes}).open(desk) as provider:
        await provider.tasking.order(ORDER_ID)
        with pytest.raises(UnavailableError, match="statuses: 503"):
            await provider.tasking.order(ORDER_ID)


async def test_the_list_is_read_to_its_end_at_the_accounts_own_address(desk: Desk) -> None:
    def page(request: web.Request) -> web.StreamResponse:
        after = request.query.get("next")
        following = link("https://inside.example/orders?next=b&limit=100", "next")
        first = {"features": [feature(order_id="a")], "links": [following], "numberMatched": 2}
        last = {"features": [feature(order_id="b")], "links": [], "numberMatched": 2}
        return web.json_response(last if after else first)

    api = Api({LIST: page})
    async with api.open(desk) as provider:
        pages = [page async for page in provider.tasking.listing()]
        assert [seen and seen.order_id for seen in await listed(provider)] == ["a", "b"]
    assert [page.total for page in pages] == [2, 2]
    assert api.asked[:2] == ["GET /orders?limit=100", "GET /orders?next=b&limit=100"]


async def test_pages_that_form_a_loop_are_an_error(desk: Desk) -> None:
    page = {"features": [feature(order_id="a")], "links": [link("/orders?next=a", "next")]}
    async with Api({LIST: page}).open(desk) as provider:
        with pytest.raises(AnswerError, match="repeats an earlier one"):
            await listed(provider)


async def test_a_page_that_is_missing_is_no_missing_order(desk: Desk) -> None:
    def page(request: web.Request) -> web.StreamResponse:
        if "next" in request.query:  # as stapi-fastapi answers to a token that it does not know
            return web.json_response({"detail": "Error finding pagination token"}, status=404)
        return web.json_response({"features": [feature()], "links": [link("/orders?next=a", "next")]})

    async with Api({LIST: page}).open(desk) as provider:
        with pytest.raises(AnswerError, match="a page is missing") as caught:
            await listed(provider)
    assert not isinstance(caught.value, MissingError)


async def test_a_row_is_the_same_if_only_its_links_have_grown(desk: Desk) -> None:
    answers = count(1)

    def page(_: web.Request) -> web.StreamResponse:
        links = [link("http://x/orders/1", "self")] * next(answers)
        return web.json_response({"features": [feature(None, *links)]})

    async with Api({LIST: page}).open(desk) as provider:
        marks = {
            row.mark for _ in range(2) async for page_ in provider.tasking.listing() for row in page_.rows
        }
    assert len(marks) == 1


@pytest.mark.parametrize(
    "raw",
    [[], {}, feature(order_id=""), feature(order_id=".."), feature(order_id="other"), {"id": ORDER_ID}],
)
async def test_an_answer_that_is_not_this_order_is_an_error(desk: Desk, raw: object) -> None:
    async with Api({PATH: raw}).open(desk) as provider:
        with pytest.raises(AnswerError, match="is not this order"):
            await provider.tasking.order(ORDER_ID)


async def test_an_unknown_order_is_missing(desk: Desk) -> None:
    async with Api().open(desk) as provider:
        with pytest.raises(MissingError):
            await provider.tasking.order(ORDER_ID)


@pytest.mark.parametrize(
    "properties",
    [
        {"status": None},
        {"status": []},
        {"status": {"status_code": 7, "links": {}}},
        {"created": "yesterday", "search_parameters": None, "product_id": []},
        {"search_parameters": {"datetime": "../2026-11-20T00:00:00Z"}},
    ],
)
async def test_odd_fields_hide_no_order(desk: Desk, properties: dict[str, object]) -> None:
    raw = feature() | {"properties": properties, "geometry": None, "links": None}
    async with Api({LIST: {"features": [raw]}}).open(desk) as provider:
        (seen,) = await listed(provider)
    assert seen is not None
    assert seen.order_id == ORDER_ID


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("accepted", OrderPhase.RECEIVED),
        ("reserved", OrderPhase.RECEIVED),
        ("tasked", OrderPhase.IN_PROGRESS),
        ("user_cancelled", OrderPhase.CANCELED),
        ("user canceled", OrderPhase.CANCELED),
        ("expired", OrderPhase.EXPIRED),
        ("on-ground", None),
    ],
)
def test_a_status_has_a_phase_in_any_spelling(word: str, phase: OrderPhase | None) -> None:
    assert order_phase(word) is phase


@pytest.mark.parametrize(
    ("now", "links", "published"),
    [
        (status("accepted"), (), False),
        (status("completed"), (), True),
        (status("processing"), (link("https://x/a.tif"),), True),
        (status("processing", links=[link("https://x/a.tif")]), (), True),
        (status("failed"), (link("https://x/log", "documents"),), False),
    ],
)
async def test_the_order_is_its_only_capture_once_there_may_be_files(
    desk: Desk, now: dict[str, object], links: tuple[object, ...], *, published: bool
) -> None:
    async with Api({PATH: feature(now, *links)}).open(desk) as provider:
        seen = [capture async for capture in provider.tasking.captures(ORDER_ID)]
    assert [(each.capture_id, each.phase) for each in seen] == [
        (ORDER_ID, CapturePhase.PUBLISHED) for _ in range(published)
    ]


async def test_a_row_of_the_list_is_newer_than_an_order_read_moments_ago(desk: Desk) -> None:
    states = iter(["processing", "completed", "completed"])
    api = Api(
        {
            PATH: lambda _: web.json_response(feature(status(next(states)))),
            LIST: lambda _: web.json_response({"features": [feature(status(next(states)))]}),
        }
    )
    async with api.open(desk) as provider:
        await provider.tasking.order(ORDER_ID)
        await listed(provider)
        seen = [capture async for capture in provider.tasking.captures(ORDER_ID)]
    assert [capture.status for capture in seen] == ["completed"]


async def test_orders_are_neither_placed_nor_cancelled(desk: Desk) -> None:
    api = Api()
    async with api.open(desk) as provider:
        assert not provider.tasking.can_cancel
        with pytest.raises(RejectedError, match="places no orders over STAPI"):
            await provider.tasking.place({})
        with pytest.raises(RejectedError, match="no way to cancel"):
            await provider.tasking.cancel(ORDER_ID)
        with pytest.raises(RefusedError, match="places no orders over STAPI"):
            await provider.require_tasking()
    assert api.asked == []


async def test_the_account_is_probed_by_its_list(desk: Desk) -> None:
    api = Api({LIST: {"features": []}})
    async with api.open(desk) as provider:
        await provider.probe()
        assert await provider.scope() is None
    assert api.asked == ["GET /orders?limit=1"]
