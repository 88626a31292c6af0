"""docs/api.md and docs/page.md: what they say can be asked is answered."""

import json
import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.web.api_kit import asked, fill, served, viewing

from orderwatch.core.orders.completeness import DisplayState
from orderwatch.web.api.openapi import description

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "api.md").read_text(encoding="utf-8")
DESCRIBED = json.loads(json.dumps(description()))["paths"]


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def rows(page: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)


def test_it_lists_every_path_and_every_parameter() -> None:
    assert {row for row in rows(PAGE) if row.startswith("/")} == DESCRIBED.keys() - {"/api/openapi.json"}
    for given in DESCRIBED["/api/orders"]["get"]["parameters"]:
        assert f"`{given['name']}" in PAGE
        if given["name"] == "sort":
            assert all(f"`{word}`" in PAGE for word in given["schema"]["enum"])


@pytest.mark.parametrize("command", commands())
async def test_its_commands_are_answered(command: str, database: Path) -> None:
    program, *options, url = shlex.split(command)
    place = urlsplit(url)
    assert (program, place.netloc) == ("curl", "127.0.0.1:8787")
    async with served(database) as here:
        await fill(here.store)
        path = f"{place.path}?{place.query}"
        if options == ["-sN"]:
            async with viewing(here.port, path) as viewer:
                assert (await viewer.event())["id"] == "1"
        else:
            status, _, body = await asked(here.port, path)
            assert (status, json.loads(body)["total"]) == (200, 3)


def test_the_named_events_are_those_of_the_description() -> None:
    told = set(rows(PAGE)) - DESCRIBED.keys()
    said = DESCRIBED["/api/events"]["get"]["responses"]["200"]["description"]
    assert told == {"touched", "attention", "transfers", "lagged"}
    assert all(name in said for name in told)


async def test_the_pages_are_there(database: Path) -> None:
    page = (DOCS / "page.md").read_text(encoding="utf-8")
    paths = [row for row in rows(page) if row.startswith("/")]
    assert len(paths) == 8
    async with served(database) as here:
        await fill(here.store)
        for path in paths:
            status, _, _ = await asked(here.port, path.format(account="main", order_id=1))
            assert (path, status) == (path, 200)


def test_every_colour_is_explained() -> None:
    page = (DOCS / "page.md").read_text(encoding="utf-8")
    assert all(f"{tone}: " in page for tone in DisplayState)
