"""All items of a capture are found, whatever the archive makes of the search."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs
from tests.provider.hosts import Host, give_token
from tests.provider.kit import CONTRACT, Desk
from tests.provider.stac.stac_kit import (
    OTHER,
    OUTCOME,
    Shelf,
    a_capture,
    an_order,
    item,
    reading,
)

from orderwatch.errors import AnswerError, MissingError, RefusedError, UnavailableError
from orderwatch.provider.stac.search import REMEMBER_SECONDS


def tiles(count: int, outcome: str = OUTCOME) -> list[Any]:
    return [item(f"{number}_0", outcome) for number in range(count)]


def ids(items: list[Any]) -> list[str]:
    return [one["id"] for one in items]


async def test_items_are_searched_by_outcome_id() -> None:
    async with reading(Shelf([*tiles(2), item("9_9", OTHER)])) as here:
        assert await here.ids() == ids(tiles(2))
    assert here.shelf.bodies == [
        {
            "collections": ["l1d-sr"],
            "filter-lang": "cql2-json",
            "filter": {"op": "=", "args": [{"property": "satl:outcome_id"}, OUTCOME]},
            "limit": 100,
        }
    ]
    assert here.shelf.headers[0]["X-Satellogic-Contract-Id"] == CONTRACT
    assert here.shelf.headers[0]["authorizationToken"] == "Bearer canary-token"


async def test_without_collections_all_are_searched() -> None:
    async with reading(Shelf(tiles(1)), collections=()) as here:
        assert await here.ids() == ids(tiles(1))
    assert "collections" not in here.shelf.bodies[0]


# Pages


def merged(token: str, _body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a link
    return {"rel": "next", "method": "POST", "merge": True, "body": {"token": token}}


def got(token: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a link
    return {
        "rel": "next",
        "href": f"http://internal.example.com/v2/archive/search?token={token}&limit={body['limit']}",
    }


async def test_each_page_is_posted_to_the_same_address() -> None:
    async with reading(Shelf(tiles(25), page_items=10)) as here:
        assert await here.ids() == ids(tiles(25))
    first, *following = here.shelf.bodies
    assert following == [{**first, "token": "next:10"}, {**first, "token": "next:20"}]


async def test_a_link_may_hold_only_what_changes() -> None:
    async with reading(Shelf(tiles(25), page_items=10, next_link=merged)) as here:
        assert await here.ids() == ids(tiles(25))
    assert here.shelf.bodies[2] == {**here.shelf.bodies[0], "token": "next:20"}


async def test_a_link_may_be_a_url_of_the_same_endpoint() -> None:
    async with reading(Shelf(tiles(15), page_items=10, next_link=got, ignores_filter=True)) as here:
        assert await here.ids() == ids(tiles(15))
    assert here.shelf.headers[1]["X-Satellogic-Contract-Id"] == CONTRACT


@pytest.mark.parametrize(
    "link",
    [
        {"rel": "next", "href": "https://evil.example.com/collect?token=2"},
        {"rel": "next", "href": "http://[/"},
    ],
)
async def test_a_link_elsewhere_is_an_error(link: object) -> None:
    async with reading(Shelf(tiles(15), page_items=10, next_link=lambda *_: link)) as here:
        with pytest.raises(AnswerError, match="next page"):
            await here.ids()


async def test_a_token_that_comes_again_ends_the_search_with_an_error() -> None:
    def stuck(_token: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a link
        return {"rel": "next", "body": {**body, "token": "next:10", "more": len(body)}}

    async with reading(Shelf(tiles(40), page_items=10, next_link=stuck)) as here:
        with pytest.raises(AnswerError, match="repeats"):
            await here.ids()
    assert len(here.shelf.bodies) == 2


async def test_items_that_come_again_end_the_search_with_an_error() -> None:
    def stuck(_token: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a link
        again = int(body.get("number", 0)) + 1
        return {"rel": "next", "body": {**body, "number": again}}

    async with reading(Shelf(tiles(40), page_items=10, next_link=stuck)) as here:
        with pytest.raises(AnswerError, match="repeats"):
            await here.ids()
    assert len(here.shelf.bodies) == 2


async def test_a_link_that_cannot_be_sent_is_an_error() -> None:
    link = {"rel": "next", "body": {"token": "\ud800"}}
    async with reading(Shelf(tiles(12), page_items=10, next_link=lambda *_: link)) as here:
        with pytest.raises(AnswerError, match="no valid address"):
            await here.ids()


async def test_a_link_of_any_depth_is_sent_or_an_error() -> None:
    nested: Any = {}
    for _ in range(700):
        nested = {"a": nested}
    link = {"rel": "next", "body": nested}
    async with reading(Shelf(tiles(12), page_items=10, next_link=lambda *_: link)) as here:
        with pytest.raises(AnswerError):
            await here.ids()


async def test_a_link_without_a_way_ends_a_page_that_is_not_full() -> None:
    link = {"rel": "next", "method": "POST", "href": "/"}
    async with reading(Shelf(tiles(12), page_items=10, next_link=lambda *_: link)) as here:
        assert len(await here.ids()) == 10
    async with reading(Shelf(tiles(101), next_link=lambda *_: link)) as here:
        with pytest.raises(AnswerError, match="no valid address"):
            await here.ids()


async def test_an_empty_page_may_be_followed_by_others() -> None:
    link = {"rel": "next", "body": {"token": "next:0"}}
    empty = web.json_response({"features": [], "links": [link]})
    async with reading(Shelf(tiles(2), ignores_filter=True, answers=[empty])) as here:
        assert await here.ids() == ids(tiles(2))


@pytest.mark.parametrize(
    "document",
    [{"links": [{"rel": "next", "body": {"token": "a"}}]}, [], {"features": {}}, {"features": None}],
)
async def test_an_answer_without_items_is_an_error(document: object) -> None:
    async with reading(Shelf(answers=[web.json_response(document)])) as here:
        with pytest.raises(AnswerError):
            await here.ids()


async def test_a_missing_page_is_not_a_missing_archive() -> None:
    class Torn(Shelf):
        async def reply(self, request: web.Request) -> web.StreamResponse:
            return (
                await super().reply(request)
                if len(self.bodies) < 1 or request.path == "/oauth/token"
                else web.Response(status=404)
            )

    async with reading(Torn(tiles(15), page_items=10)) as here:
        with pytest.raises(AnswerError, match="a page is missing"):
            await here.ids()


async def test_a_search_is_repeated_after_an_outage_of_seconds() -> None:
    async with reading(Shelf(tiles(1), answers=[web.Response(status=503)])) as here:
        assert await here.ids() == ids(tiles(1))


async def test_a_redirect_is_not_followed() -> None:
    moved = web.Response(status=307, headers={"Location": "https://evil.example.com/"})
    async with reading(Shelf(answers=[moved])) as here:
        with pytest.raises(AnswerError, match=r"307$"):
            await here.ids()


# Place and time


@pytest.mark.parametrize("status", [400, 403, 422])
async def test_where_the_filter_is_refused_place_and_time_find_the_items(status: int) -> None:
    async with reading(Shelf([*tiles(3), item("9_9", OTHER)], refusal=status)) as here:
        with capture_logs() as logs:
            assert await here.ids() == ids(tiles(3))
    place = here.shelf.bodies[-1]
    assert place["datetime"] == "2026-03-10T04:30:12Z/2026-03-12T04:30:12Z"
    assert place["intersects"]["type"] == "Polygon"
    assert place["limit"] == 100
    assert [line["event"] for line in logs if line["event"].startswith("archive")] == [
        "archive.filter_refused"
    ]


@pytest.mark.parametrize("status", [500, 501, 504])
async def test_an_archive_that_fails_at_the_filter_each_time_is_searched_by_place(status: int) -> None:
    async with reading(Shelf([*tiles(3), item("9_9", OTHER)], refusal=status)) as here:
        assert await here.ids() == ids(tiles(3))
        filtered = sum("filter" in body for body in here.shelf.bodies)
        assert await here.ids() == ids(tiles(3))
    assert sum("filter" in body for body in here.shelf.bodies) == filtered
    assert here.shelf.places == 2


async def test_an_archive_that_fails_at_a_filter_that_has_worked_is_down() -> None:
    async with reading(Shelf(tiles(2))) as here:
        assert await here.ids() == ids(tiles(2))
        here.shelf.refusal = 500
        with pytest.raises(UnavailableError, match="500"):
            await here.ids()
        here.shelf.refusal = None
        assert await here.ids() == ids(tiles(2))
    assert here.shelf.places == 0


async def test_an_archive_that_fails_at_a_later_page_is_down() -> None:
    class Torn(Shelf):
        async def reply(self, request: web.Request) -> web.StreamResponse:
            self.refusal = 500 if self.bodies else None
            return await super().reply(request)

    shelf = Torn(tiles(15), page_items=10)
    async with reading(shelf) as here:
        with pytest.raises(UnavailableError, match="500"):
            await here.ids()
    assert shelf.places == 0


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_an_archive_that_is_down_is_an_outage_and_no_refused_filter(status: int) -> None:
    shelf = Shelf(tiles(1), answers=[web.Response(status=status) for _ in range(4)])
    async with reading(shelf) as here:
        with pytest.raises(UnavailableError, match=str(status)):
            await here.ids()
        shelf.answers.clear()
        await here.ids()
    assert "filter" in shelf.bodies[-1]


async def test_without_place_and_time_a_filter_that_fails_is_an_outage() -> None:
    order = an_order(document={"target": "nowhere"})
    async with reading(Shelf(tiles(1), refusal=500)) as here:
        with pytest.raises(UnavailableError, match="500"):
            await here.ids(order, a_capture(start=None))


async def test_a_refusal_is_remembered_for_six_hours() -> None:
    desk = Desk()
    async with reading(Shelf(tiles(1), refusal=422), desk) as here:
        await here.ids()
        await here.ids()
        assert ["filter" in body for body in here.shelf.bodies] == [True, False, False]
        desk.at += REMEMBER_SECONDS
        here.shelf.refusal = None
        await here.ids()
        assert "filter" in here.shelf.bodies[3]


async def test_an_archive_that_ignores_the_filter_is_searched_by_place() -> None:
    async with reading(Shelf([item("9_9", OTHER), *tiles(2)], ignores_filter=True)) as here:
        assert await here.ids() == ids(tiles(2))
        assert here.shelf.places == 1


async def test_a_filter_that_finds_nothing_is_checked_until_it_has_found_something() -> None:
    async with reading(Shelf(tiles(1), finds_nothing=True)) as here:
        assert await here.ids() == ids(tiles(1))
        assert here.shelf.places == 1
    async with reading(Shelf(tiles(1))) as here:
        await here.ids()
        assert await here.ids(capture=a_capture(OTHER)) == []
        assert here.shelf.places == 0


async def test_items_that_show_no_capture_do_not_refute_the_filter() -> None:
    unknown = item("9_9", more={"satl:outcome_id": None})
    async with reading(Shelf([unknown])) as here:
        assert await here.ids() == []
        assert await here.ids() == []
    assert ["filter" in body for body in here.shelf.bodies] == [True, False, True, False]


async def test_a_spelling_that_the_archive_refuses_does_not_refute_the_filter() -> None:
    class Strict(Shelf):
        def _found(self, body: Mapping[str, Any]) -> list[Any] | web.Response:
            if "--" in str(body.get("filter")):
                return web.json_response({"detail": "not a UUID"}, status=400)
            return super()._found(body)

    shelf = Strict(tiles(2))
    async with reading(shelf) as here:
        assert await here.ids(capture=a_capture(f"{OUTCOME}--112813")) == ids(tiles(2))
        assert await here.ids(capture=a_capture(f"{OTHER}--112813")) == []
    assert shelf.places == 0


async def test_an_unusable_contract_is_an_error_and_no_empty_list() -> None:
    shelf = Shelf(tiles(1), answers=[web.Response(status=403), web.Response(status=403)])
    async with reading(shelf) as here:
        with pytest.raises(RefusedError):
            await here.ids()
        await here.ids()
    assert "filter" in here.shelf.bodies[-1]  # the filter was not what it refused
    async with reading(Shelf(tiles(1), answers=[web.Response(status=401) for _ in range(4)])) as here:
        with pytest.raises(RefusedError):
            await here.ids()


async def test_without_the_time_of_the_capture_the_window_of_the_order_counts() -> None:
    order = an_order(start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 4, 1, tzinfo=UTC))
    async with reading(Shelf(tiles(1), refusal=400)) as here:
        assert await here.ids(order, a_capture(start=None)) == ids(tiles(1))
    assert here.shelf.bodies[-1]["datetime"] == "2026-02-28T00:00:00Z/2026-04-02T00:00:00Z"


async def test_without_place_and_time_a_refused_filter_is_an_error() -> None:
    order = an_order(document={"target": "nowhere"})
    async with reading(Shelf(tiles(1), refusal=400)) as here:
        with pytest.raises(AnswerError, match="no place or time"):
            await here.ids(order, a_capture(start=None))


# Ids


@pytest.mark.parametrize(
    "capture_id", [f"cap.{OUTCOME}", f"{OUTCOME}--112813", f"cap.{OUTCOME}--112813", OUTCOME.upper()]
)
@pytest.mark.parametrize("refusal", [None, 400])
async def test_a_capture_is_found_by_each_spelling_of_its_id(capture_id: str, refusal: int | None) -> None:
    async with reading(Shelf([*tiles(2), item("9_9", OTHER)], refusal=refusal)) as here:
        assert await here.ids(capture=a_capture(capture_id)) == ids(tiles(2))


async def test_the_archive_may_write_a_number_behind_the_id() -> None:
    shelf = Shelf([*tiles(2, f"{OUTCOME}--112813"), *tiles(1, f"{OTHER}--112813")], refusal=400)
    async with reading(shelf) as here:
        assert len(await here.ids()) == 2
        assert len(await here.ids(capture=a_capture(f"{OUTCOME}--7"))) == 0


# Another host


async def test_an_archive_elsewhere_gets_no_credentials() -> None:
    api = Host(give_token)
    async with reading(Shelf(tiles(2), page_items=1), api=api) as here:
        assert len(await here.ids()) == 2
    assert api.heard == []
    for headers in here.shelf.headers:
        assert "canary" not in str(headers)
        assert CONTRACT not in str(headers)


async def test_an_archive_elsewhere_that_requires_credentials_is_explained() -> None:
    async with reading(Shelf(answers=[web.Response(status=401)]), api=Host(give_token)) as here:
        with pytest.raises(RefusedError, match="gets no credentials"):
            await here.ids()


async def test_a_missing_archive_is_missing_and_logged_as_gone_after_three_answers() -> None:
    async with reading(Shelf(tiles(1), answers=[web.Response(status=404) for _ in range(4)])) as here:
        with capture_logs() as logs:
            for _ in range(4):
                with pytest.raises(MissingError):
                    await here.ids()
            await here.ids()
    assert [(line["event"], line["delivery_api"]) for line in logs if "delivery_api" in line] == [
        ("delivery_api.gone", "stac"),
        ("delivery_api.restored", "stac"),
    ]
