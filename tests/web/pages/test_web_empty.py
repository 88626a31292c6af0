"""A board without orders says why, and what to do."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.db.kit import MINUTE, NOW
from tests.web.api_kit import asked, fill, served
from tests.web.pages.test_web_header import MAIN, WELL
from tests.web.pages.test_web_pages import Outline

from orderwatch.ports.dashboard import AccountSeen, Overview

REFUSED = replace(MAIN, state="refused", retry_at=NOW + 9 * MINUTE)
AWAY = replace(MAIN, state="unavailable", retry_at=NOW + MINUTE)


@pytest.mark.parametrize(
    ("accounts", "why", "what"),
    [
        ([], "orderwatch is starting", "This page updates itself"),
        (
            [replace(MAIN, swept_at=None)],
            "The first poll is in progress",
            "as account main is polled",
        ),
        ([MAIN, REFUSED], "The provider refuses the credentials of account main", "check --online"),
        ([AWAY], "The provider does not answer", "again in 1 min"),
        ([MAIN], "No order matches a [[watch]]", 'task_name = "*"'),
    ],
)
async def test_without_orders_the_board_says_why_and_what_to_do(
    database: Path, accounts: list[AccountSeen], why: str, what: str
) -> None:
    async with served(database, seen=replace(WELL, accounts=accounts)) as here:
        text = Outline((await asked(here.port, "/"))[2].decode()).text
    hint = " ".join(text.partition("Columns")[2].split())
    assert why in hint
    assert what in hint


async def test_a_search_that_finds_nothing_is_no_empty_account(database: Path) -> None:
    async with served(database, seen=Overview(accounts=[REFUSED], trees=[], attention=[])) as here:
        await fill(here.store)
        text = Outline((await asked(here.port, "/?text=nowhere"))[2].decode()).text
    assert "No matching orders. Show all orders" in text
    assert "credentials" not in text
