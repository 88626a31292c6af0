"""Real file systems that are full, read-only or not mounted: downloads park, polling goes on, all arrives."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.app.app_rig import Facts, Rig, sha256

from orderwatch.simulator.scenario import Capture, Order, Scenario, Scene
from orderwatch.simulator.server import serve

SIZE = 5_000_000
SCENES = 8
DISK = "24000k"  # four of them, and a little

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="file systems can be mounted by root only")


class Days:
    """The provider's clock, in days of its story."""

    day = 0.0

    def read(self) -> float:
        return self.day


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A small file system; mounted at the delivery root by `mounted`."""
    folder = tmp_path / "volume"
    folder.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder))
    except subprocess.CalledProcessError:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(tmp_path / "tree")], check=False, capture_output=True)
    _run("umount", "-l", str(folder))


@pytest.fixture
def days() -> Days:
    return Days()


@pytest.fixture
async def rig(tmp_path: Path, volume: Path, days: Days, forks: Path) -> AsyncIterator[Rig]:
    """A machine whose delivery root is that file system; nothing is published before the first day."""
    async with serve(_story(), clock=days.read) as simulator:
        rig = Rig(tmp_path, simulator, forks)
        rig.configure('task_name = "*"')
        rig.tree.mkdir()
        _mount(volume, rig)
        yield rig
        await rig.stop()


async def test_what_fits_is_stored_the_rest_is_parked_and_arrives_when_there_is_room(
    rig: Rig, days: Days, tmp_path: Path
) -> None:
    await rig.start("run")
    days.day = 1
    stored = _stored(await rig.until(_four_stored_four_parked))
    days.day = 2  # the status of the order moves while nothing can be fetched
    await rig.until(lambda _: ("order.changed", "completed") in _moves(rig))
    taken = {d["scene_id"]: _moved_away(rig, d["path"], tmp_path / "archive") for d in stored}
    await rig.until_stored(SCENES)
    left = {
        d["scene_id"]: sha256(rig.tree / d["path"])
        for d in _stored(await rig.deliveries())
        if d["scene_id"] not in taken
    }
    assert taken | left == await rig.truth()
    # While it has no room a delivery is not even tried: its history tells of a parking or two.
    assert [m["after"] for m in await rig.history(7)].count("parked") <= 2 * SCENES
    # Once to learn how long a file is; while it has no room nobody is asked for it.
    assert rig.simulator.journal.count(listener="download") <= 2 * SCENES


async def test_below_a_bare_mount_point_nothing_is_written_and_all_arrives_when_it_is_mounted_again(
    rig: Rig, days: Days, volume: Path
) -> None:
    await rig.start("run")
    await _until_logged(rig, "order.changed")
    _run("umount", "-l", str(rig.tree))
    days.day = 1
    await rig.until(lambda found: bool(found) and all(d["state"] == "parked" for d in found))
    days.day = 2
    await rig.until(lambda _: ("order.changed", "completed") in _moves(rig))
    assert not list(rig.tree.iterdir())
    assert "not mounted" in (await rig.call("check")).err
    _run("mount", "-o", "remount,size=50m", str(volume))
    _mount(volume, rig)
    await rig.until_stored(SCENES)
    assert {sha256(path) for path in rig.zips()} == set((await rig.truth()).values())
    assert _logged(rig, "tree.unusable") == _logged(rig, "tree.usable") == 1


async def test_a_daemon_started_with_its_volume_read_only_polls_and_waits(
    rig: Rig, days: Days, volume: Path
) -> None:
    _run("mount", "-o", "remount,ro,bind", str(rig.tree))
    days.day = 1
    daemon = await rig.start("run")
    await rig.until(lambda found: bool(found) and all(d["state"] == "parked" for d in found))
    assert daemon.returncode is None
    _run("mount", "-o", "remount,size=50m", str(volume))
    _run("mount", "-o", "remount,rw,bind", str(rig.tree))
    await rig.until_stored(SCENES)
    assert _logged(rig, "tree.unusable") == _logged(rig, "tree.usable") == 1


def _story() -> Scenario:
    scenes = tuple(Scene(size=SIZE) for _ in range(SCENES))
    capture = Capture(status=((0, "planned"), (1, "published")), scenes=scenes)
    order = Order(task_id=7, status=((0, "in_progress"), (2, "completed")), captures=(capture,))
    return Scenario.model_validate({"orders": (order,)})


def _mount(volume: Path, rig: Rig) -> None:
    _run("mount", "--bind", str(volume), str(rig.tree))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _four_stored_four_parked(found: list[Facts]) -> bool:
    states = [d["state"] for d in found]
    return states.count("stored") == states.count("parked") == SCENES // 2


def _stored(found: list[Facts]) -> list[Facts]:
    return [d for d in found if d["state"] == "stored"]


def _moved_away(rig: Rig, path: str, archive: Path) -> str:
    """An operator takes a file elsewhere; returns its sha256."""
    archive.mkdir(exist_ok=True)
    moved = archive / Path(path).name
    subprocess.run(["mv", str(rig.tree / path), str(moved)], check=True)
    return sha256(moved)


def _moves(rig: Rig) -> list[tuple[str, str]]:
    return [(e["event"], e["after"]) for e in rig.events() if e["event"] == "order.changed"]


def _logged(rig: Rig, event: str) -> int:
    return [e["event"] for e in rig.events()].count(event) if rig.log.exists() else 0


async def _until_logged(rig: Rig, event: str) -> None:
    await rig.until(lambda _: _logged(rig, event) > 0)
