"""Many viewers of one daemon: each sees what is so, and none holds up another; the map of many orders."""

import asyncio
import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.db.kit import a_move, an_order, held
from tests.web.api_kit import Served, Viewer, asked, served, told, viewing

from orderwatch.core.model import OrderPhase, TrackedStatus
from orderwatch.core.orders.observe import Verdict

TARGET = {"type": "Point", "coordinates": [4.1, 51.9]}
FAILED = TrackedStatus(word="failed", phase=OrderPhase.FAILED)


async def until_told(here: Served, viewer: Viewer, word: str) -> None:
    """The watcher looks until the viewer hears of a move to this word."""
    while True:
        here.look.set()
        event = await viewer.event()
        if "id" in event and json.loads(event["data"])["after"] == word:
            here.look.clear()
            return


async def fails(here: Served, task_id: int = 1) -> None:
    order = await held(here.store, task_id)
    moved = replace(order, status=FAILED)
    await here.store.orders.save(Verdict(order=moved, transitions=(a_move("failed", task_id),)))


async def page(here: Served, path: str = "/") -> str:
    status, _, body = await asked(here.port, path)
    assert status == 200
    return body.decode()


async def features(here: Served, path: str = "/map.json") -> list[Any]:
    found: list[Any] = (await told(here.port, path))["features"]
    return found


@pytest.mark.parametrize("path", ["/", "/orders/main/1", "/map.json"])
async def test_who_was_told_of_a_move_reads_a_page_with_it(
    database: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderwatch.web.server.response_cache._MIN_INTERVAL_SECONDS", 0.0)
    async with served(database) as here, viewing(here.port) as viewer:
        await here.store.orders.save(Verdict(order=an_order(1, document={"target": TARGET})))
        await until_told_of_first(here, viewer)
        assert "failed" not in await page(here, path)
        await fails(here)
        await until_told(here, viewer, "failed")
        assert "failed" in await page(here, path)


async def until_told_of_first(here: Served, viewer: Viewer) -> None:
    await here.store.orders.save(Verdict(order=an_order(2), transitions=(a_move("received", 2),)))
    await until_told(here, viewer, "received")


async def test_viewers_of_the_same_are_told_that_nothing_changed(database: Path) -> None:
    """The tag is that of one rendering: the next asks with it, a little later."""
    async with served(database) as here, viewing(here.port) as viewer:
        await until_told_of_first(here, viewer)
        _, headers, _ = await asked(here.port, "/")
        assert (await asked(here.port, "/", If_None_Match=headers["etag"]))[0] == 304


async def test_a_viewer_that_takes_nothing_holds_up_no_other(database: Path) -> None:
    async with served(database) as here, viewing(here.port) as viewer:
        with socket.create_connection(("127.0.0.1", here.port)) as deaf:
            deaf.sendall(f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{here.port}\r\n\r\n".encode())
            await asyncio.to_thread(deaf.recv, 1)
            moves = tuple(replace(a_move(f"word {n}"), detail="x" * 20_000) for n in range(400))
            await here.store.orders.save(Verdict(order=an_order(1), transitions=moves))
            await until_told(here, viewer, "word 399")
            assert await page(here)


async def test_the_map_has_the_orders_that_are_searched_for(database: Path) -> None:
    async with served(database) as here:
        for number, name in enumerate(("Quay", "Dam"), start=1):
            order = an_order(number, task_name=name, document={"target": TARGET})
            await here.store.orders.save(Verdict(order=order, transitions=(a_move(task_id=number),)))
        assert [one["properties"]["task_name"] for one in await features(here)] == ["Dam", "Quay"]
        board = await page(here, "/?text=quay&sort=name&offset=0")
        assert 'data-features="/map.json?text=quay"' in board
        assert [one["properties"]["task_name"] for one in await features(here, "/map.json?text=quay")] == [
            "Quay"
        ]


async def test_the_map_is_drawn_anew_where_an_order_was_written_and_only_there(database: Path) -> None:
    async with served(database) as here:
        for number in (1, 2):
            order = an_order(number, document={"target": TARGET})
            await here.store.orders.save(Verdict(order=order, transitions=(a_move(task_id=number),)))
        assert [one["facts"]["tone"] for one in await features(here)] == ["waiting", "waiting"]
        await fails(here, 1)
        assert [one["facts"]["tone"] for one in await features(here)] == ["trouble", "waiting"]


async def test_the_page_says_how_many_orders_the_map_does_not_draw(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderwatch.web.pages.map.MAX_ORDERS", 2)
    monkeypatch.setattr("orderwatch.web.pages.views.MAX_ORDERS", 2)
    async with served(database) as here:
        for number in (1, 2, 3):
            order = an_order(number, document={"target": TARGET}, task_name=f"Quay {number}")
            await here.store.orders.save(Verdict(order=order, transitions=(a_move(task_id=number),)))
        names = [one["properties"]["task_name"] for one in await features(here)]
        assert names == ["Quay 3", "Quay 2"]
        assert (
            "The map shows 2 of 3 orders: those that need you, then the most recently changed"
            in await page(here)
        )
        assert "are drawn:" not in await page(here, "/?text=quay+1")
