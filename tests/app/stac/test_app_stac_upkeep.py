"""A tree of many tiles is verified, repaired and rebuilt, and nothing is fetched again for that."""

import shutil

from tests.app.stac.conftest import StacRigged
from tests.app.stac.stac_rig import StacRig, scenario

ASSETS = 7


async def stored(stac_rigged: StacRigged) -> StacRig:
    """Five tiles, of which the second run is stored beside the first."""
    rig = await stac_rigged(scenario({"count": 5, "remade": [100]}))
    rig.set_up()
    for second in (0.0, 200.0):
        rig.hand[0] = second
        assert (await rig.call("once")).code == 0
    await rig.assert_all_there()
    rig.simulator.journal.clear()
    return rig


async def test_what_is_damaged_or_missing_is_found_and_alone_fetched_again(stac_rigged: StacRigged) -> None:
    rig = await stored(stac_rigged)
    rows = await rig.assert_all_there()
    paths = [rig.tree / row["path"] for row in rows]
    sound = await rig.call("verify")
    assert sound.code == 0, sound.out + sound.err
    assert rig.assets() == {}
    paths[0].unlink()
    paths[1].with_name(f"{paths[1].name}.json").unlink()
    data = paths[2].read_bytes()
    paths[2].unlink()
    paths[2].write_bytes(bytes(len(data)))
    found = await rig.call("verify")
    assert found.code == 1
    mended = await rig.call("verify", "--repair")
    assert mended.code == 0, mended.out + mended.err
    assert (await rig.call("once")).code == 0
    assert (await rig.call("verify")).code == 0
    await rig.assert_all_there()
    assert len(rig.assets()) <= 3


async def test_a_lost_database_is_rebuilt_from_the_tree_and_no_asset_is_requested(
    stac_rigged: StacRigged,
) -> None:
    rig = await stored(stac_rigged)
    rows = await rig.assert_all_there()
    shutil.rmtree(rig.database.parent)
    ended = await rig.call("rebuild")
    assert ended.code == 0, ended.out + ended.err
    assert (await rig.call("once")).code == 0
    again = await rig.assert_all_there()
    names = "scene_id", "name", "path", "version", "sha256"
    assert sorted([row[name] for name in names] for row in again) == sorted(
        [row[name] for name in names] for row in rows
    )
    assert rig.assets() == {}
    assert (await rig.call("verify")).code == 0
