"""A database that cannot be read: who looks on is told in a line, and the log hears nothing."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import LogCapture
from tests.logs import events
from tests.web.api_kit import asked, fill, served
from tests.web.stub_pages import pages_with

from orderwatch.errors import BusyError
from orderwatch.web.server.app import serving

__all__ = ["events"]

PICTURE = "/pictures/main/1/capture-1/scene-1/preview/1"
PAGES = ("/", "/map.json", "/events", "/orders/main/1", "/orders/main/1/map.json", PICTURE)
API = ("/api/orders", "/api/orders/main/1", "/api/problems", "/api/accounts", "/api/transfers")
REASON = "the database cannot be read: no such table: "


def rename(database: Path, former: str, name: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"ALTER TABLE {former} RENAME TO {name}")
        connection.commit()


async def test_pages_and_api_answer_503_until_it_can_be_read_again(
    database: Path, events: LogCapture
) -> None:
    broken = ("orders", "transitions", "problems", "accounts", "deliveries")
    async with served(database) as at:
        await fill(at.store)
        for name in broken:
            rename(database, name, f"no_{name}")
        for path in PAGES:
            status, headers, body = await asked(at.port, path)
            assert (status, headers["retry-after"], body.count(b"\n")) == (503, "30", 1), path
            assert headers["content-type"] == "text/plain; charset=utf-8"
            assert body.decode().startswith(f"503: {REASON}")
            assert "default-src 'none'" in headers["content-security-policy"]
        for path in API:
            status, headers, body = await asked(at.port, path)
            assert (status, headers["content-type"]) == (503, "application/json; charset=utf-8"), path
            assert json.loads(body)["error"].startswith(REASON)
        assert (await asked(at.port, "/api/events"))[0] == 200  # which ends: a viewer comes again
        for name in broken:
            rename(database, f"no_{name}", name)
        for path in (*PAGES[:-1], *API):
            assert (await asked(at.port, path))[0] == 200
    assert events.entries == []


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/page", "503: locked; end whoever holds it\n"),
        ("/api/x", '{"error": "locked; end whoever holds it"}'),
    ],
)
async def test_one_that_is_busy_is_told_likewise(path: str, told: str, events: LogCapture) -> None:
    async def busy(_: web.Request) -> web.Response:
        raise BusyError("locked; end whoever holds it")

    def routes(app: web.Application) -> None:
        app.router.add_get(path, busy)

    async with serving("127.0.0.1:0", pages_with(routes)) as port:
        status, _, body = await asked(port, path)
    assert (status, body.decode(), events.entries) == (503, told, [])
