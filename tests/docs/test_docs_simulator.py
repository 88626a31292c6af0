"""`docs/simulator.md` names every key of a scenario, and its example plays."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel
from tests.app.app_rig import Rig

from orderwatch.simulator.archive.settings import Archive, TileSet
from orderwatch.simulator.assets.settings import Assets
from orderwatch.simulator.faults import Fault, Kind, Match, On
from orderwatch.simulator.scenario import (
    Account,
    Capture,
    Contract,
    Downloads,
    Order,
    Product,
    Scenario,
    Scene,
    load,
)
from orderwatch.simulator.server import serve
from orderwatch.simulator.v2.settings import V2, Deliverable, Event

TABLES: tuple[type[BaseModel], ...] = (
    *(Scenario, Account, Contract, Product, Order, Capture, Scene, Downloads, Fault, Match),
    *(V2, Event, Deliverable, Archive, TileSet, Assets),
)
PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")


def _names() -> Iterator[str]:
    for table in TABLES:
        yield from table.model_fields
    yield from get_args(On)
    yield from get_args(Kind)


def test_every_key_and_every_fault_is_named() -> None:
    assert [name for name in _names() if f"`{name}`" not in PAGE] == []


def test_no_key_is_named_that_is_not_there() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \|", PAGE, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named - set(_names()) == set()


def test_every_example_is_a_scenario(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL):
        path.write_text(text, encoding="utf-8")
        assert load(path).orders


async def test_the_example_plays_and_is_delivered(tmp_path: Path, forks: Path) -> None:
    found = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    path = tmp_path / "scenario.toml"
    path.write_text(found[1], encoding="utf-8")
    async with serve(load(path)) as simulator:
        rig = Rig(tmp_path, simulator, forks)
        rig.configure('task_name = "*"')
        daemon = await rig.start("run")
        try:
            await rig.until_stored(2)
            assert await rig.terminated(daemon) == 0
        finally:
            await rig.stop()
