"""kill -9 at random moments: nothing half, nothing double, nothing lost, nothing begun again from zero."""

import asyncio
import random
import sqlite3
import zipfile

from tests.app.app_rig import Rig, Rigged, sha256

from orderwatch.simulator.scenario import Capture, Order, Scenario, Scene

KILLS = 8
SIZE = 4_000_000
SCENES = 4


async def test_killed_again_and_again_it_ends_with_every_file_intact(rigged: Rigged) -> None:
    rig = await rigged(_slow_scenes())
    rig.configure('task_name = "*"')
    truth = await rig.truth()
    draw = random.Random(20261122)
    for _ in range(KILLS):
        daemon = await rig.start("run")
        await _first_bytes(rig)
        await asyncio.sleep(draw.uniform(0, 0.4))
        daemon.kill()
        await daemon.wait()
        _only_whole_files(rig, truth)
    await rig.start("run")
    stored = await rig.until_stored(SCENES)
    assert {d["scene_id"]: sha256(rig.tree / d["path"]) for d in stored} == truth
    assert len(rig.zips()) == SCENES
    with sqlite3.connect(rig.database) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        moves = database.execute("SELECT scene_id FROM transitions WHERE after = 'stored'").fetchall()
    database.close()
    assert sorted(scene for (scene,) in moves) == sorted(truth)
    asked = rig.simulator.journal.find(listener="download")
    assert len([e for e in asked if e.range]) >= KILLS // 2
    # Most of what a killed daemon had received counts: without resuming it would be several times the size.
    assert sum(e.sent for e in asked) < 2 * SIZE * SCENES


async def _first_bytes(rig: Rig) -> None:
    """Wait until the daemon that was just started receives something, or has nothing left to receive."""
    before = rig.simulator.journal.count(listener="download")
    async with asyncio.timeout(30):
        while rig.simulator.journal.count(listener="download") == before and len(rig.zips()) < SCENES:
            await asyncio.sleep(0.02)


def _only_whole_files(rig: Rig, truth: dict[str, str]) -> None:
    for path in rig.zips():
        assert sha256(path) in truth.values(), f"{path} is no whole file"
        assert zipfile.ZipFile(path).testzip() is None


def _slow_scenes() -> Scenario:
    """Four scenes that take some seconds each: the killer has to meet them under way."""
    captures = [
        Capture(status=((0, "published"),), scenes=tuple(Scene(size=SIZE) for _ in range(SCENES // 2)))
        for _ in range(2)
    ]
    order = Order(task_id=7, status=((0, "in_progress"),), captures=tuple(captures))
    return Scenario.model_validate({"orders": (order,), "downloads": {"rate": "700 kB"}})
