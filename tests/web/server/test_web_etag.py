"""Over real sockets: bodies with an ETag, zipped or plain, and whoever has them already."""

import gzip
import hashlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from tests.web.stub_pages import pages_with

from orderwatch.web.server.app import serving
from orderwatch.web.server.etag import answered

SMALL, LARGE = b"small", b"a long body " * 20_000
TAG = hashlib.sha256(SMALL).hexdigest()[:32]


def _routes(app: web.Application) -> None:
    async def small(request: web.Request) -> web.Response:
        return await answered(request, SMALL, "text/plain; charset=utf-8")

    async def large(request: web.Request) -> web.Response:
        return await answered(request, LARGE, "application/json")

    app.router.add_get("/small", small)
    app.router.add_get("/large", large)


@pytest.fixture
async def views() -> AsyncIterator[ClientSession]:
    async with (
        serving("127.0.0.1:0", pages_with(_routes)) as port,
        ClientSession(
            f"http://127.0.0.1:{port}", auto_decompress=False, headers={"Accept-Encoding": "identity"}
        ) as views,
    ):
        yield views


async def test_a_small_body_comes_as_it_is(views: ClientSession) -> None:
    async with views.get("/small", headers={"Accept-Encoding": "gzip"}) as answer:
        assert await answer.read() == SMALL
        assert answer.headers["ETag"] == f'"{TAG}"'
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("accepts", ["gzip", "deflate, GZIP;q=0.5", "br, x-gzip"])
async def test_a_large_body_is_zipped_where_that_is_accepted(views: ClientSession, accepts: str) -> None:
    async with views.get("/large", headers={"Accept-Encoding": accepts}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert gzip.decompress(await answer.read()) == LARGE


@pytest.mark.parametrize("accepts", ["", "identity", "gzip;q=0", "gzip; q=0.000, br", "notgzip"])
async def test_and_plain_where_it_is_not(views: ClientSession, accepts: str) -> None:
    async with views.get("/large", headers={"Accept-Encoding": accepts}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert await answer.read() == LARGE


async def test_zipped_and_plain_have_tags_of_their_own(views: ClientSession) -> None:
    async with (
        views.get("/large") as plain,
        views.get("/large", headers={"Accept-Encoding": "gzip"}) as zipped,
    ):
        assert plain.headers["ETag"] != zipped.headers["ETag"]


@pytest.mark.parametrize("seen", [f'"{TAG}"', f'W/"{TAG}"', f'"v0", W/"{TAG}"', "*"])
async def test_whoever_has_the_body_is_told_that_it_holds(views: ClientSession, seen: str) -> None:
    async with views.get("/small", headers={"If-None-Match": seen}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
        assert answer.headers["ETag"] == f'"{TAG}"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("seen", ['"v0"', TAG, f'"{TAG}', f'"v0,{TAG}"', ""])
async def test_whoever_has_another_one_gets_it(views: ClientSession, seen: str) -> None:
    async with views.get("/small", headers={"If-None-Match": seen}) as answer:
        assert (answer.status, await answer.read()) == (200, SMALL)


async def test_head_says_what_get_would(views: ClientSession) -> None:
    async with views.head("/large") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert answer.headers["Content-Length"] == str(len(LARGE))
