"""A project folder that is another file system: the daemon fills it, and `check` says how."""

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.app.app_rig import Rig, sha256

from orderwatch.simulator.scenario import Capture, Order, Scenario, Scene
from orderwatch.simulator.server import serve

SCENES = 2
PROJECT = "Simulated project"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="file systems can be mounted by root only")


@pytest.fixture
async def rig(tmp_path: Path, forks: Path) -> AsyncIterator[Rig]:
    scenes = tuple(Scene(size=300_000) for _ in range(SCENES))
    capture = Capture(status=((0, "published"),), scenes=scenes)
    order = Order(task_id=7, status=((0, "completed"),), project_name=PROJECT, captures=(capture,))
    folder = tmp_path / "tree" / PROJECT
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:  # noqa: ASYNC221 - short
        pytest.skip("no file system can be mounted here")
    try:
        async with serve(Scenario.model_validate({"orders": (order,)})) as simulator:
            rig = Rig(tmp_path, simulator, forks)
            rig.configure('task_name = "*"')
            yield rig
            await rig.stop()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)  # noqa: ASYNC221 - as above


async def test_files_arrive_in_a_project_folder_that_is_a_separate_mount(rig: Rig) -> None:
    await rig.start("run")
    await rig.until_stored(SCENES)
    assert {sha256(path) for path in rig.zips()} == set((await rig.truth()).values())
    assert {path.relative_to(rig.tree).parts[0] for path in rig.zips()} == {PROJECT}
    await rig.stop()
    assert not [path for path in (rig.tree / PROJECT).rglob("*") if path.name.startswith(".")]
    told = f"copied, not linked, into folders that are separate mounts: {PROJECT}"
    offline, online = await rig.call("check"), await rig.call("check", "--online")
    assert told in offline.err
    assert told in " ".join(online.out.split())
