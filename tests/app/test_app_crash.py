"""kill -9 at random moments: nothing half, nothing double, nothing lost, nothing begun again from zero."""

import asyncio
import random
import sqlite3
import zipfile

import pytest
from tests.app.app_rig import Rig, Rigged, sha256
from tests.forks import Running
from tests.patience import PATIENCE

from orderwatch.simulator.scenario import Capture, Order, Scenario, Scene

FETCHED_AGAIN = 2_000_000  # bytes per kill, over all connections


@pytest.mark.parametrize(
    ("kills", "scenes", "size"),
    [(3, 4, 4_000_000), pytest.param(200, 100, 1_000_000, marks=pytest.mark.long)],
)
async def test_killed_again_and_again_it_ends_with_every_file_intact(
    kills: int, scenes: int, size: int, rigged: Rigged
) -> None:
    rig = await rigged(_slow_scenes(scenes, size))
    rig.configure('task_name = "*"')
    truth = await rig.truth()
    draw = random.Random(20261122)
    whole: set[tuple[str, int]] = set()
    for _ in range(kills):
        daemon = await rig.start("run")
        await _first_bytes(rig, daemon, scenes)
        await asyncio.sleep(draw.uniform(0, 0.4))
        daemon.kill()
        await daemon.wait()
        _only_whole_files(rig, truth, whole)
    await rig.start("run")
    stored = await rig.until_stored(scenes)
    assert {d["scene_id"]: sha256(rig.tree / d["path"]) for d in stored} == truth
    assert len(rig.zips()) == scenes
    with sqlite3.connect(rig.database) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        moves = database.execute("SELECT scene_id FROM transitions WHERE after = 'stored'").fetchall()
    database.close()
    assert sorted(scene for (scene,) in moves) == sorted(truth)
    asked = rig.simulator.journal.find(listener="download")
    assert len([e for e in asked if e.range]) >= kills // 2
    # Most of what a killed daemon had received counts: without resuming it would be several times the size.
    assert sum(e.sent for e in asked) < size * scenes + kills * FETCHED_AGAIN


async def _first_bytes(rig: Rig, daemon: Running, scenes: int) -> None:
    """Wait until the daemon that was just started receives something, or has nothing left to receive."""
    before = rig.simulator.journal.count(listener="download")
    async with asyncio.timeout(PATIENCE):
        while rig.simulator.journal.count(listener="download") == before and len(rig.zips()) < scenes:
            assert daemon.returncode is None, rig.log.read_text(encoding="utf-8")[-2000:]
            await asyncio.sleep(0.02)


def _only_whole_files(rig: Rig, truth: dict[str, str], whole: set[tuple[str, int]]) -> None:
    """Those that were found whole before, and were not touched since, are not read again."""
    for path in rig.zips():
        seen = (str(path), path.stat().st_mtime_ns)
        if seen not in whole:
            assert sha256(path) in truth.values(), f"{path} is no whole file"
            assert zipfile.ZipFile(path).testzip() is None
            whole.add(seen)


def _slow_scenes(count: int, size: int) -> Scenario:
    """Scenes that take some seconds each: the killer has to meet them under way."""
    captures = [
        Capture(status=((0, "published"),), scenes=(Scene(size=size), Scene(size=size)))
        for _ in range(count // 2)
    ]
    order = Order(task_id=7, status=((0, "in_progress"),), captures=tuple(captures))
    return Scenario.model_validate({"orders": (order,), "downloads": {"rate": "700 kB"}})
