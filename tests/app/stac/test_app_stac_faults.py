"""Assets that are refused, wrong or interrupted: in the end each is there, whole, or somebody is told."""

import asyncio
import random
import signal
import sqlite3
from collections.abc import Mapping
from typing import Any

import pytest
from tests.app.app_rig import sha256
from tests.app.stac.conftest import StacRigged
from tests.app.stac.stac_rig import StacRig, scenario
from tests.patience import PATIENCE

ASSETS = 7

FAULTS: list[Mapping[str, Any]] = [
    {"on": "download", "kind": "expire", "times": 5},
    {"on": "asset", "kind": "expire", "after": 3},
    {"on": "asset", "kind": "expire", "after": 20},
    {"on": "asset", "kind": "status", "code": 403, "times": 5},
    {"on": "asset", "kind": "status", "code": 429, "times": 5, "after": 9},
    {"on": "asset", "kind": "html", "times": 5},
    {"on": "asset", "kind": "corrupt", "at": 0, "times": 2},
    {"on": "asset", "kind": "cut", "times": 5},
    {"on": "asset", "kind": "reset", "times": 5, "after": 9},
    {"on": "search", "kind": "status", "code": 503, "times": 2},
]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=f"{fault['on']} {fault['kind']}", marks=pytest.mark.long if number % 3 else ())
        for number, fault in enumerate(FAULTS)
    ],
)
async def test_a_fault_that_passes_costs_no_file(stac_rigged: StacRigged, fault: Mapping[str, Any]) -> None:
    rig = await stac_rigged(scenario({"count": 12}, faults=[fault]))
    rig.set_up()
    await rig.start("run")
    await rig.until_stored(12 * ASSETS)
    rows = await rig.assert_all_there()
    assert rig.files() == {row["path"] for row in rows}
    rig.assert_no_credentials_left()


@pytest.mark.parametrize("assets", [{"answer": "redirect"}, {"href": "s3_alternate"}, {"signed_life": 2}])
async def test_every_kind_of_link_is_followed(stac_rigged: StacRigged, assets: Mapping[str, Any]) -> None:
    rig = await stac_rigged(scenario({"count": 12}, assets=assets))
    rig.set_up()
    await rig.start("run")
    await rig.until_stored(12 * ASSETS)
    await rig.assert_all_there()
    rig.assert_no_credentials_left()


async def test_files_that_only_a_bucket_has_are_reported_and_cost_no_request(stac_rigged: StacRigged) -> None:
    rig = await stac_rigged(scenario({"count": 3}, assets={"href": "s3"}))
    rig.set_up()
    assert (await rig.call("once")).code == 0
    rows = await rig.assert_all_there(only=["preview", "thumbnail"])
    assert len(rig.assets()) == len(rows) == 6


async def test_files_without_entitlement_end_as_given_up_and_cost_few_tokens(stac_rigged: StacRigged) -> None:
    rig = await stac_rigged(scenario({"count": 3}, assets={"entitled": False}))
    rig.set_up("max_attempts = 2\nretry_max = '200ms'")
    await rig.start("run")
    rows = await rig.until(lambda rows: {row["state"] for row in rows} == {"stored", "given_up"})
    assert {row["name"] for row in rows if row["state"] == "stored"} == {"preview", "thumbnail"}
    assert rig.simulator.journal.count(path="/oauth/token") <= 3
    told = (await rig.call("status", "--attention")).out
    assert "403" in told


@pytest.mark.long
async def test_killed_again_and_again_it_ends_with_every_file_once(stac_rigged: StacRigged) -> None:
    rig = await stac_rigged(scenario({"count": 60, "grid_km": 2}))
    rig.set_up()
    draw = random.Random(20261130)
    for _ in range(4):
        daemon = await rig.start("run")
        await _next_assets(rig, len(rig.assets()) + 20)
        await asyncio.sleep(draw.uniform(0, 0.3))
        daemon.kill()
        await daemon.wait()
        _assert_only_whole_files(rig, await _truth(rig))
    await rig.start("run")
    await rig.until_stored(60 * ASSETS)
    rows = await rig.assert_all_there()
    assert rig.files() == {row["path"] for row in rows}
    with sqlite3.connect(rig.database) as database:
        query = "SELECT count(*) FROM transitions WHERE after = 'stored'"
        assert database.execute(query).fetchone() == (60 * ASSETS,)
    database.close()
    rig.assert_no_credentials_left()


async def test_reloads_in_the_middle_lose_nothing(stac_rigged: StacRigged) -> None:
    rig = await stac_rigged(scenario({"count": 60, "grid_km": 2}))
    rig.set_up("parallel = 2")
    daemon = await rig.start("run")
    for number in range(1, 5):
        await _next_assets(rig, 60 * number)
        rig.set_up(f"parallel = {number}\nretry_max = '{number}s'")
        daemon.send_signal(signal.SIGHUP)
    await rig.until_stored(60 * ASSETS)
    await rig.assert_all_there()
    assert daemon.returncode is None
    assert "config.reloaded" in {event["event"] for event in rig.events()}


async def _next_assets(rig: StacRig, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(rig.assets()) < min(count, 60 * ASSETS):
            await asyncio.sleep(0.01)


async def _truth(rig: StacRig) -> set[str]:
    return {str(row["sha256"]) for row in await rig.simulator.archive_truth()}


def _assert_only_whole_files(rig: StacRig, truth: set[str]) -> None:
    assert {sha256(rig.tree / name) for name in rig.files()} <= truth
