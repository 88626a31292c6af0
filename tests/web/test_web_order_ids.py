"""Ids of orders in URLs, on pages and in JSON: as the provider writes them, and quoted."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.db.kit import a_delivery, a_move, an_order
from tests.web.api_kit import HOSTILE, asked, served, told

from orderwatch.core.orders.observe import Verdict

UUID = "0b1c2d3e-4f50-4678-9abc-def012345678"
IDS = pytest.mark.parametrize("order_id", ["000383", UUID, "23272", "a/b ?#&%2F\u00fc", HOSTILE])


@IDS
async def test_an_order_is_served_under_its_quoted_id(database: Path, order_id: str) -> None:
    ids: dict[str, Any] = {"order_id": order_id, "task_id": None}
    path = f"main/{quote(order_id, safe='')}"
    async with served(database) as here:
        await here.store.orders.save(
            Verdict(order=an_order(**ids), transitions=(a_move(**ids),), wanted=(a_delivery(**ids),))
        )
        order = await told(here.port, f"/api/orders/{path}")
        assert (order["order_id"], order["task_id"]) == (order_id, None)
        assert [(move["order_id"], move["task_id"]) for move in order["history"]] == [(order_id, None)]
        [listed] = (await told(here.port, "/api/orders"))["orders"]
        assert listed["order_id"] == order_id
        status, _, page = await asked(here.port, f"/orders/{path}")
        assert status == 200
        _, _, board = await asked(here.port, "/")
        assert f'href="/orders/{path}"' in board.decode()
        assert HOSTILE not in page.decode() + board.decode()


async def test_zeros_and_the_task_id_lead_to_no_other_order(database: Path) -> None:
    async with served(database) as here:
        await here.store.orders.save(Verdict(order=an_order(383, order_id="000383")))
        for path in ("383", "0383", "000383%20"):
            assert (await asked(here.port, f"/api/orders/main/{path}"))[0] == 404
            assert (await asked(here.port, f"/orders/main/{path}"))[0] == 404
        assert (await told(here.port, "/api/orders/main/000383"))["task_id"] == 383
