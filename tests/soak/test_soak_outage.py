"""An hour's outage, in time that does not wait: few lines in the log, few requests."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests import forks as runs
from tests.soak.outage import ORDERS

pytestmark = pytest.mark.long

LINES, REQUESTS = 100, 30


async def an_hour_without(down: str, folder: Path, forks: Path) -> dict[str, Any]:
    """What it cost; in the end everything is stored, and the account's trouble was said and is over."""
    out = folder / "out"
    asked = runs.Asked(
        program="tests.soak.outage:main", arguments=[str(folder), down], out=str(out), err=str(out)
    )
    assert await runs.run(forks, asked) == 0, out.read_text()
    found: dict[str, Any] = json.loads(out.read_text().splitlines()[-1])
    assert found["stored"] == ORDERS
    assert found["ended"] == ([0, 0] if down == "downloads" else [1, 1])
    return found


@pytest.mark.parametrize(
    ("down", "hosts"),
    [("api", ["api"]), ("downloads", ["download"]), ("both", ["api", "download"])],
)
async def test_an_hours_outage_writes_few_lines_and_sends_few_requests_to_what_is_down(
    tmp_path: Path, forks: Path, down: str, hosts: list[str]
) -> None:
    found = await an_hour_without(down, tmp_path, forks)
    assert found["lines"] < LINES, found
    assert sum(found["requests"].get(host, 0) for host in hosts) <= REQUESTS, found
