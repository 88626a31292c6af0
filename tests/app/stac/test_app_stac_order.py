"""An order of many tiles, delivered by the archive: everything once, and nothing requested in vain."""

import pytest
from tests.app.stac.conftest import StacRigged
from tests.app.stac.stac_rig import scenario

TILES, ASSETS = 120, 7
PARTS = ({"count": 105, "grid_km": 2}, {"count": 10, "grid_km": 2}, {"count": 5})


@pytest.mark.parametrize("collections", [{"l1d-sr": 0}])
async def test_120_tiles_of_three_captures_are_there_once_and_each_is_requested_once(
    stac_rigged: StacRigged, collections: object
) -> None:
    rig = await stac_rigged(scenario(*({**part, "collections": collections} for part in PARTS)))
    rig.set_up()
    assert (await rig.call("once")).code == 0
    rows = await rig.assert_all_there()
    assert rig.files() == {row["path"] for row in rows}
    assert set(rig.assets().values()) == {1}
    assert len(rig.assets()) == len(rows) == TILES * ASSETS
    print("searches", rig.searches())
    moves = [move for move in await rig.history(7) if move["subject"] == "delivery"]
    assert [move["after"] for move in moves if move["detail"] == "interrupted"] == []
    assert len(moves) == 3 * len(rows)

    before = len(rig.assets())
    assert (await rig.call("once")).code == 0
    assert len(rig.assets()) == before
    await rig.assert_all_there()
    for command in ("explain", "status", "history"):
        e = await rig.call(command, *(["7"] if command != "status" else []))
        print(e.out[:3500], e.err)
