"""An order of many tiles, delivered by the archive: everything once, and nothing requested in vain."""

from tests.app.stac.conftest import StacRigged
from tests.app.stac.stac_rig import scenario

TILES, ASSETS = 120, 7


async def test_120_tiles_of_one_capture_are_all_there_once_and_requested_once(
    stac_rigged: StacRigged,
) -> None:
    rig = await stac_rigged(scenario({"count": TILES, "grid_km": 2}, {"count": 0}, {"count": 0}))
    rig.set_up()
    await rig.start("run")
    await rig.until_stored(TILES * ASSETS)
    rows = await rig.assert_all_there()
    assert rig.files() == {row["path"] for row in rows}
    assert len(rig.assets()) == TILES * ASSETS
    assert set(rig.assets().values()) == {1}
    print("SEARCHES", rig.searches())
    rig.assert_no_credentials_left()
    import sqlite3

    db = sqlite3.connect(rig.database)
    print(
        db.execute(
            "select before, after, detail, count(*) from transitions where subject='delivery' group by 1,2,case when detail='interrupted' then detail end"
        ).fetchall()
    )
    import collections

    print(collections.Counter(e["event"] for e in rig.events()))
    print([e for e in rig.events() if e["event"] in ("batch.ended", "deliveries.stored")][:20])
    print([e for e in rig.events() if e["level"] not in ("debug", "info")])
    e = await rig.call("explain", "000383")
    print(e.out[:3000], e.err)
    e = await rig.call("status")
    print(e.out[:3000], e.err)
    e = await rig.call("history", "000383")
    print(e.out[:1500], e.err)
