"""The main job with a bucket in place of a folder."""

import json

from tests.app.app_rig import Facts
from tests.app.s3.conftest import Homed
from tests.app.upkeep_kit import scenario
from tests.object_store import KEY, SECRET

from orderwatch.simulator.scenario import Scene

LARGE = "9 MB"  # in two parts


async def test_every_zip_arrives_once_in_the_bucket_and_a_restart_fetches_nothing_again(homed: Homed) -> None:
    home = await homed(scenario(Scene(size="20 kB"), Scene(size=LARGE)))
    daemon = await home.rig.start("run")
    stored = await home.rig.until_stored(2)
    assert await home.rig.terminated(daemon) == 0
    await home.assert_whole()
    home.rig.simulator.journal.clear()
    assert (await home.rig.call("once")).code == 0
    assert home.rig.simulator.journal.count(listener="download") == 0
    assert await home.rig.deliveries() == stored
    log = home.rig.log.read_text(encoding="utf-8")
    assert SECRET not in log
    assert KEY not in log
    assert "Signature" not in log


async def test_check_verify_and_rebuild_work_in_the_bucket(homed: Homed) -> None:
    home = await homed(scenario())
    home.configure(delivery="stac = true")
    assert (await home.rig.call("once")).code == 0
    checked = await home.rig.call("check", "--online", "--json")
    findings = {f["name"]: f for f in json.loads(checked.out)["checks"]}
    assert findings[f"destination {home.root}"]["ok"], checked
    assert "overwrites nothing" in findings[f"destination {home.root}"]["detail"]
    assert "looked at 2 files, read 0 B: all as stored" in (await home.rig.call("verify")).out
    whole = await home.rig.call("verify", "--whole")
    assert (whole.code, "read 2 files, 50.0 kB" in whole.out) == (0, True), whole
    objects = await home.objects()
    assert {"catalog.json", "stac/catalog.0.json"} & set(objects)
    before = _without_times(await home.rig.deliveries())
    home.rig.database.unlink()
    rebuilt = await home.rig.call("rebuild", "--json")
    assert (rebuilt.code, json.loads(rebuilt.out)["deliveries"]) == (0, 2), rebuilt
    assert _without_times(await home.rig.deliveries()) == before
    assert (await home.rig.call("once")).code == 0
    assert (await home.rig.call("verify")).code == 0


def _without_times(deliveries: list[Facts]) -> list[Facts]:
    return [
        {key: d[key] for key in ("scene_id", "state", "path", "size", "sha256", "version")}
        for d in deliveries
    ]
