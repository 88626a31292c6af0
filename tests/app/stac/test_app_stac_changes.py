"""Tiles that come late, are made again, or get a newer version."""

import asyncio
from typing import Any

from tests.app.stac.conftest import StacRigged
from tests.app.stac.stac_rig import StacRig, scenario
from tests.patience import PATIENCE

ASSETS = 7


async def once(rig: StacRig, second: float) -> None:
    rig.hand[0] = second
    ended = await rig.call("once")
    assert ended.code == 0, ended.err


async def test_tiles_that_come_over_minutes_are_all_fetched_by_a_running_daemon(
    stac_rigged: StacRigged,
) -> None:
    rig = await stac_rigged(scenario({"count": 20, "interval": 30}, status="in_progress"))
    rig.set_up()
    await rig.start("run")
    for tiles in (1, 3, 8, 20):
        rig.hand[0] = 30.0 * (tiles - 1) + 1
        await rig.until_stored(tiles * ASSETS)
        await rig.assert_all_there()
    assert set(rig.assets().values()) == {1}
    rig.assert_no_credentials_left()


async def test_a_remade_run_is_stored_beside_the_former_one(stac_rigged: StacRigged) -> None:
    rig = await stac_rigged(scenario({"count": 5, "remade": [100]}))
    rig.set_up()
    await once(rig, 0)
    former = {row["path"] for row in await rig.assert_all_there()}
    await once(rig, 200)
    rows = await rig.assert_all_there()
    assert {row["version"] for row in rows} == {2}
    assert all(".v2." in row["path"] for row in rows)
    assert rig.files() == former | {row["path"] for row in rows}
    assert set(rig.assets().values()) == {2}
    await once(rig, 300)
    assert set(rig.assets().values()) == {2}


async def test_a_newer_product_version_is_stored_beside_the_former_one(stac_rigged: StacRigged) -> None:
    rig = await stac_rigged(scenario({"count": 5, "newer": [100]}))
    rig.set_up()
    await once(rig, 0)
    former = {row["path"] for row in await rig.assert_all_there()}
    await once(rig, 200)
    rows = await rig.assert_all_there()
    assert len(rows) == 2 * len(former)
    assert {row["version"] for row in rows} == {1}
    assert {row["path"].split("/")[3] for row in rows} == {"2.0.1", "2.0.2"}
    assert set(rig.assets().values()) == {1}


async def test_a_tile_replaced_while_it_is_downloaded_is_never_spliced(stac_rigged: StacRigged) -> None:
    slow = {"rate": "30 kB"}
    tiles: Any = {"count": 2, "pixels": 100, "remade": [100], "assets": ["visual", "analytic"]}
    rig = await stac_rigged(scenario(tiles, downloads=slow))
    rig.set_up()
    await rig.start("run")
    async with asyncio.timeout(PATIENCE):
        while not any(entry.sent for entry in rig.simulator.journal.entries if "/assets/" in entry.path):
            await asyncio.sleep(0.01)
    rig.hand[0] = 200.0
    wanted = {row["sha256"] for row in await rig.simulator.archive_truth()}
    await rig.until(lambda rows: {row["sha256"] for row in rows if row["state"] == "stored"} == wanted)
    await rig.assert_all_there()
