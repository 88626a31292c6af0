"""The page shows buttons where actions are allowed, else the commands to copy."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from tests.db.kit import NOW, a_delivery, an_order
from tests.web.actions.actions_kit import BASIC, TOKEN
from tests.web.api_kit import HOSTILE, asked, served
from tests.web.pages.test_web_header import SHORT, WELL

from orderwatch.core.actions.pauses import Pause, Pauses
from orderwatch.core.model import DeliveryState
from orderwatch.core.orders.observe import Verdict
from orderwatch.ports.dashboard import Overview
from orderwatch.web.actions.access import action_key

PAUSED = replace(
    WELL,
    pauses=Pauses(
        [
            Pause(account=None, paused_at=NOW, who="ann@host"),
            Pause(account=HOSTILE, paused_at=NOW, who="ann@host"),
        ]
    ),
)


async def page(database: Path, seen: Overview, path: str = "/", *, actions: bool = True) -> str:
    async with served(database, seen=seen, token=TOKEN, actions=actions) as here:
        stuck = a_delivery(state=DeliveryState.PARKED, reason="no space")
        await here.store.orders.save(Verdict(order=an_order(1), wanted=(stuck,)))
        status, _, body = await asked(here.port, path, authorization=BASIC["Authorization"])
        assert status == 200
        return body.decode()


def buttons(text: str) -> list[tuple[str, str]]:
    found = re.findall(r'data-action="(\w+)" data-body="([^"]*)"', text)
    return [(action, unescape(body)) for action, body in found]


async def test_the_board_has_buttons_and_their_key(database: Path) -> None:
    text = await page(database, replace(WELL, attention=[SHORT]))
    assert f'data-key="{action_key(TOKEN)}"' in text
    assert buttons(text) == [("refresh", "{}"), ("pause", "{}"), ("acknowledge", '{"all": true}')]
    assert TOKEN not in text


async def test_a_pause_is_the_headline_and_can_be_ended(database: Path) -> None:
    text = await page(database, PAUSED)
    assert "<h1>Downloads paused since 2026-11-22 12:00:00 UTC; account a/b" in text
    assert "All is well" not in text
    [_, everything, account] = buttons(text)
    assert everything == ("resume", "{}")
    assert account[0] == "resume"
    assert "<script>'" not in text


async def test_an_order_can_be_refreshed_and_what_is_stuck_retried(database: Path) -> None:
    text = await page(database, WELL, "/orders/main/1")
    named = '{"account": "main", "order_id": "1"}'
    assert buttons(text) == [("refresh", named), ("retry", named)]


@pytest.mark.parametrize("path", ["/", "/orders/main/1"])
async def test_where_nobody_may_act_the_page_shows_commands_and_no_key(database: Path, path: str) -> None:
    text = await page(database, PAUSED, path, actions=False)
    assert buttons(text) == []
    assert "data-key" not in text
    assert "<code>orderwatch re" in text
    assert "<script>'" not in text
