"""Pages that are too large: smaller ones are asked for, no row is missed, and what worked is remembered."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from structlog.testing import capture_logs
from tests.provider.hosts import Host, at, give_token, with_tokens
from tests.provider.kit import Desk, captures_read, listed

from orderwatch.errors import ProviderError, UnavailableError
from orderwatch.provider.client import TASKING
from orderwatch.provider.page_limits import REMEMBER_SECONDS
from orderwatch.provider.pagination import pages
from orderwatch.provider.transport import MAX_BODY_BYTES

HUGE = 0  # a page that is larger than anyone should read, in place of a status
WHITE = gzip.compress(b" " * MAX_BODY_BYTES + b"[]")
TOO_MUCH = [413, 502, 504, 524, HUGE]


@dataclass
class Paging:
    """A list of so many orders, whose pages fail where `fails(offset, limit)`."""

    fails: Callable[[int, int], bool]
    trouble: int = 504
    total: int = 230
    own_limit: int | None = None  # that each `next` names, whatever was asked for
    asked: list[tuple[int, int]] = field(default_factory=list)  # offset and limit

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        offset, limit = int(request.query["offset"]), int(request.query["limit"])
        self.asked.append((offset, limit))
        if self.fails(offset, limit):
            return too_much(self.trouble)
        rows = [{"task_id": number} for number in range(offset, min(offset + limit, self.total))]
        end = offset + len(rows)
        following = f"?limit={self.own_limit or limit}&offset={end}" if end < self.total else None
        return web.json_response({"count": self.total, "next": following, "results": rows})

    @property
    def limits(self) -> list[int]:
        return [limit for _, limit in self.asked]


def too_much(trouble: int) -> web.Response:
    if trouble != HUGE:
        return web.Response(status=trouble)
    return web.Response(body=WHITE, headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize("trouble", TOO_MUCH)
async def test_half_is_asked_for_until_it_comes_and_no_row_is_missed_or_doubled(
    desk: Desk, trouble: int
) -> None:
    paging = Paging(lambda _, limit: limit > 30, trouble)
    async with with_tokens(paging).serving() as url, desk.connect(at(url)) as provider:
        assert await listed(provider) == [*range(230)]
    assert sorted(set(paging.limits), reverse=True) == [100, 50, 25]
    assert paging.asked[-1] == (225, 25)


async def test_it_is_halved_down_to_ten(desk: Desk) -> None:
    paging = Paging(lambda _, limit: limit > 10, 413)
    async with with_tokens(paging).serving() as url, desk.connect(at(url)) as provider:
        assert await listed(provider) == [*range(230)]
    assert paging.limits == [100, 50, 25, 12, *[10] * 23]


@pytest.mark.parametrize("trouble", TOO_MUCH)
async def test_what_does_not_come_at_all_is_given_up(desk: Desk, trouble: int) -> None:
    paging = Paging(lambda *_: True, trouble)
    async with with_tokens(paging).serving() as url, desk.connect(at(url)) as provider:
        with pytest.raises(ProviderError):
            await listed(provider)
    tries = 3 if trouble in {502, 504, 524} else 1
    assert paging.limits == [100] * tries + [50, 25, 12, 10]


async def test_what_worked_is_remembered_for_this_list_and_tried_anew_after_hours(desk: Desk) -> None:
    orders, captures = Paging(lambda _, limit: limit > 50, 413), Paging(lambda *_: False)

    async def either(request: web.Request) -> web.StreamResponse:
        return await (captures if request.path.endswith("/captures/") else orders)(request)

    async with with_tokens(either).serving() as url, desk.connect(at(url)) as provider:
        with capture_logs() as logs:
            for _ in range(3):
                assert len(await listed(provider)) == 230
        assert orders.limits.count(100) == 1
        assert await captures_read(provider) == []  # rows of another kind
        assert set(captures.limits) == {100}
        desk.at += REMEMBER_SECONDS
        assert len(await listed(provider)) == 230
    assert orders.limits.count(100) == 2
    said = [entry for entry in logs if entry["event"] == "list.limited"]
    assert [(entry["list"], entry["rows"]) for entry in said] == [("tasking tasks", 50)]


@pytest.mark.parametrize("trouble", TOO_MUCH)
@pytest.mark.parametrize("own_limit", [None, 100])
async def test_a_page_in_the_middle_goes_on_at_its_own_row(
    desk: Desk, trouble: int, own_limit: int | None
) -> None:
    """Also where each `next` names the limit that failed."""

    def fails(offset: int, limit: int) -> bool:
        return limit > 50 and offset + limit > 150

    paging = Paging(fails, trouble, own_limit=own_limit)
    async with with_tokens(paging).serving() as url, desk.connect(at(url)) as provider:
        assert await listed(provider) == [*range(230)]
    assert paging.asked[0] == (0, 100)
    assert paging.asked[-3:] == [(100, 50), (150, 50), (200, 50)]


async def test_where_next_names_no_row_the_list_is_read_again_with_smaller_pages(desk: Desk) -> None:
    """A page's number means other rows once its size is another."""

    async def numbered(request: web.Request) -> web.StreamResponse:
        number, limit = int(request.query.get("page", 0)), int(request.query["limit"])
        if limit > 50 and number:
            return web.Response(status=413)
        rows = [{"task_id": row} for row in range(number * limit, min(number * limit + limit, 230))]
        following = f"?limit={limit}&page={number + 1}" if number * limit + limit < 230 else None
        return web.json_response({"results": rows, "next": following})

    async with with_tokens(numbered).serving() as url, desk.connect(at(url)) as provider:
        assert await listed(provider) == [*range(100), *range(230)]


async def test_a_provider_that_is_down_is_probed_by_single_requests_and_found_again(desk: Desk) -> None:
    """Each probe asks for less, so that an account is not blind where only large pages fail by then."""
    paging = Paging(lambda *_: True, 502)
    async with with_tokens(paging).serving() as url, desk.connect(at(url)) as provider:

        async def probe() -> None:
            with pytest.raises(UnavailableError):
                await listed(provider)

        await probe()
        paging.asked.clear()
        for number in range(1, 8):
            await probe()
            assert len(paging.asked) == number
        assert paging.limits == [100, 50, 25, 12, 10, 100, 50]
        paging.fails = lambda _, limit: limit > 30
        assert await listed(provider) == [*range(230)]


async def test_a_token_that_is_slow_to_come_is_no_matter_of_size(desk: Desk) -> None:
    down = 1

    async def reply(request: web.Request) -> web.StreamResponse:
        if request.path == "/oauth/token":
            return web.Response(status=504) if down else await give_token(request)
        return await paging(request)

    paging = Paging(lambda *_: False)
    async with Host(reply).serving() as url, desk.connect(at(url)) as provider:
        with pytest.raises(UnavailableError, match=r"^token: 504"):
            await listed(provider)
        down = 0
        desk.at += 3600
        assert len(await listed(provider)) == 230
    assert set(paging.limits) == {100}


async def test_a_page_that_was_meant_to_be_small_moves_no_limit(desk: Desk) -> None:
    paging = Paging(lambda _, limit: limit == 1, 504)
    async with with_tokens(paging).serving() as url, desk.connect(at(url)) as provider:
        with pytest.raises(UnavailableError):
            [page async for page in pages(provider.http, TASKING, "/tasking/tasks/", max_rows=1)]
        assert len(await listed(provider)) == 230
    assert set(paging.limits) == {1, 100}
