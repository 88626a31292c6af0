"""An order of many tiles, delivered by the archive: everything once, and nothing requested in vain."""

from tests.app.stac.conftest import StacRigged
from tests.app.stac.stac_rig import scenario

TILES, ASSETS = 120, 7
SEARCHES = 2 + 1 + 1  # pages of 100 items


async def test_120_tiles_of_three_captures_are_there_once_and_nothing_is_requested_twice(
    stac_rigged: StacRigged,
) -> None:
    parts = ({"count": 105, "grid_km": 2}, {"count": 10, "grid_km": 2}, {"count": 5})
    rig = await stac_rigged(scenario(*parts))
    rig.set_up()
    assert (await rig.call("once")).code == 0
    rows = await rig.assert_all_there()
    assert rig.files() == {row["path"] for row in rows}
    assert len(rig.assets()) == len(rows) == TILES * ASSETS
    assert set(rig.assets().values()) == {1}
    assert rig.searches() == SEARCHES
    moves = [move for move in await rig.history(7) if move["subject"] == "delivery"]
    assert len(moves) == 3 * len(rows)
    assert not [move for move in moves if move["detail"] == "interrupted"]

    assert (await rig.call("once")).code == 0
    assert await rig.assert_all_there() == rows
    assert len(rig.assets()) == len(rows)
    assert rig.searches() == 2 * SEARCHES
    rig.assert_no_credentials_left()


async def test_a_daemon_that_restarts_requests_no_asset_again(stac_rigged: StacRigged) -> None:
    rig = await stac_rigged(scenario({"count": 12}))
    rig.set_up()
    for _ in range(2):
        daemon = await rig.start("run")
        await rig.until_stored(12 * ASSETS)
        assert await rig.terminated(daemon) == 0
    await rig.assert_all_there()
    assert set(rig.assets().values()) == {1}


async def test_explain_sums_up_tiles_and_says_when_they_are_complete(stac_rigged: StacRigged) -> None:
    rig = await stac_rigged(scenario({"count": 12}))
    rig.set_up()
    assert (await rig.call("once")).code == 0
    told = (await rig.call("explain", "7")).out
    assert "its files come one by one, the last" in told
    assert "complete if none follows for 6 h" in told
    assert "84 stored" in told
    assert "settling: final since" in told
    assert ".tif" not in told


async def test_only_the_wanted_assets_are_requested(stac_rigged: StacRigged) -> None:
    rig = await stac_rigged(scenario({"count": 3}))
    rig.set_up('attachments = ["visual", "*_factors"]')
    assert (await rig.call("once")).code == 0
    rows = await rig.assert_all_there(only=["visual", "toa_factors"])
    assert len(rig.assets()) == len(rows) == 6


async def test_two_collections_are_two_scenes_of_each_tile(stac_rigged: StacRigged) -> None:
    rig = await stac_rigged(scenario({"count": 3, "collections": {"l1d-sr": 0, "l1d": 0}}))
    rig.set_up()
    assert (await rig.call("once")).code == 0
    rows = await rig.assert_all_there()
    assert len(rows) == 2 * 3 * ASSETS
    assert {row["path"].split("/")[1] for row in rows} == {"l1d-sr", "l1d"}


async def test_a_layout_without_the_tile_gives_each_file_a_name_of_its_own(stac_rigged: StacRigged) -> None:
    rig = await stac_rigged(scenario({"count": 12}))
    rig.set_up(layout="{order_id}/{attachment}")
    assert (await rig.call("once")).code == 0
    rows = await rig.assert_all_there()
    assert rig.files() == {row["path"] for row in rows}
    assert {"7/visual", "7/visual-2", "7/visual-12"} <= rig.files()


async def test_the_layout_names_collection_grid_version_and_order(stac_rigged: StacRigged) -> None:
    rig = await stac_rigged(scenario({"count": 1, "assets": ["visual"]}))
    rig.set_up()
    assert (await rig.call("once")).code == 0
    [row] = await rig.assert_all_there()
    order, collection, grid, version, name = row["path"].split("/")
    assert (order, collection, version) == ("7", "l1d-sr", "2.0.1")
    assert grid.startswith("SATL-4KM-32N_")
    assert name == row["file_name"] == f"{row['scene_id']}_visual.tif"
