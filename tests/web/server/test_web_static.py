"""Over real sockets: the files that the pages load."""

import gzip
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from tests.web.stub_pages import pages_with
from yarl import URL

from orderwatch.web.server.app import serving
from orderwatch.web.server.static import add_static


@pytest.fixture
async def views(tmp_path: Path) -> AsyncIterator[ClientSession]:
    folder = tmp_path / "static"
    (folder / "lib").mkdir(parents=True)
    (folder / "page.css").write_text("a {}")
    (folder / "lib" / "map.js").write_text("1")
    (folder / "land.json.gz").write_bytes(gzip.compress(b"{}"))
    (tmp_path / "secret").write_text("secret")
    headers = {"Accept-Encoding": "identity"}
    async with (
        serving("127.0.0.1:0", pages_with(partial(add_static, folder=folder))) as port,
        ClientSession(f"http://127.0.0.1:{port}", auto_decompress=False, headers=headers) as views,
    ):
        yield views


@pytest.mark.parametrize(
    ("name", "kind", "body"),
    [
        ("page.css", "text/css; charset=utf-8", b"a {}"),
        ("lib/map.js?v=1.9", "text/javascript; charset=utf-8", b"1"),
        ("land.json", "application/json", b"{}"),
    ],
)
async def test_a_file_comes_with_its_kind_and_once(
    views: ClientSession, name: str, kind: str, body: bytes
) -> None:
    async with views.get(f"/static/{name}") as answer:
        assert (answer.status, await answer.read()) == (200, body)
        assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (kind, "no-cache")
        seen = answer.headers["ETag"]
    async with views.get(f"/static/{name}", headers={"If-None-Match": seen}) as again:
        assert again.status == 304


async def test_a_packed_file_goes_out_as_it_is_where_gzip_is_taken(views: ClientSession) -> None:
    async with views.get("/static/land.json", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await answer.read()) == b"{}"


@pytest.mark.parametrize("name", ["../secret", "%2e%2e/secret", "..%2fsecret", "lib", "lib/", "land.json.gz"])
async def test_nothing_else_is_there(views: ClientSession, name: str) -> None:
    async with views.get(URL(f"/static/{name}", encoded=True)) as answer:
        assert answer.status == 404


def test_every_route_is_get_or_head(tmp_path: Path) -> None:
    app = web.Application()
    add_static(app, tmp_path)
    assert {route.method for route in app.router.routes()} == {"GET", "HEAD"}
