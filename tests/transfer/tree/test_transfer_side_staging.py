"""A folder of the tree that is a separate mount: a copy beside the target, as safe as a link."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.transfer.transfer_kit import OTHER, PART, TRUTH

from orderwatch.app.trees.folder import copied_into
from orderwatch.errors import DiskError
from orderwatch.ports import Checked
from orderwatch.transfer.tree import publish as publishing
from orderwatch.transfer.tree import side_staging
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.tree.inspector import TreeInspector
from orderwatch.transfer.tree.nested_mounts import nested_mounts
from orderwatch.transfer.zip.verify import digest

PROJECT = "Harbour"
NAME = f"{PROJECT}/23272/scene.zip"
SIDECAR = json.dumps(
    {
        "account": "main",
        "task": 23272,
        "capture": "c",
        "scene": "s",
        "attachment": "delivery_zip",
        "version": 1,
    }
).encode()


@pytest.fixture(params=["tmpfs", "bind"])
def mounted(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A root with a project folder that is a mount: of another file system, or of this one."""
    folder = tmp_path / "root" / PROJECT
    folder.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    how = {"tmpfs": ["-t", "tmpfs", "tmpfs"], "bind": ["--bind", str(tmp_path / "elsewhere")]}
    try:
        subprocess.run(["mount", *how[request.param], str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root can mount")
    yield tmp_path / "root"
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
async def destination(mounted: Path) -> FilesystemDestination:
    """With a verified partial."""
    made = FilesystemDestination(mounted)
    await made.prepare()
    (made.partials / PART).write_bytes(TRUTH)
    return made


@pytest.fixture
def checked(destination: FilesystemDestination) -> Checked:
    return Checked(size=len(TRUTH), sha256=digest(destination.partials / PART))


def files(root: Path) -> dict[str, bytes]:
    """Every file outside of the staging folder, hidden ones too."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".orderwatch" not in path.parts
    }


PUBLISHED = {NAME: TRUTH, f"{NAME}.json": SIDECAR}


async def test_a_file_is_published_into_a_mount_and_nothing_is_left_over(
    destination: FilesystemDestination, mounted: Path, checked: Checked
) -> None:
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    await destination.discard(PART)
    assert files(mounted) == PUBLISHED
    assert not list((mounted / ".orderwatch" / "beside").iterdir())
    assert (mounted / NAME).stat().st_nlink == 1


async def test_a_foreign_file_in_a_mount_is_never_overwritten(
    destination: FilesystemDestination, mounted: Path, checked: Checked
) -> None:
    (mounted / NAME).parent.mkdir()
    (mounted / NAME).write_bytes(OTHER)
    assert not await destination.publish(PART, NAME, SIDECAR, checked)
    assert await destination.publish(PART, NAME.replace(".zip", "-2.zip"), SIDECAR, checked)
    await destination.discard(PART)
    assert files(mounted)[NAME] == OTHER
    assert files(mounted)[NAME.replace(".zip", "-2.zip")] == TRUTH


async def test_a_file_that_its_reader_moved_before_the_record_is_not_published_again(
    destination: FilesystemDestination, mounted: Path, checked: Checked
) -> None:
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    (mounted / NAME).rename(mounted / PROJECT / "taken.zip")
    assert await destination.publish(PART, NAME, SIDECAR, checked, resumed=True)
    assert not (mounted / NAME).exists()


STEPS = 20  # a little more than there are


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", range(1, STEPS + 1))
async def test_a_crash_at_any_step_leaves_nothing_or_the_whole_file_and_its_leftovers_are_swept(
    destination: FilesystemDestination, mounted: Path, checked: Checked, step: int
) -> None:
    """Each step is a call that changes or flushes the disk."""
    crashed = crash_at(step, lambda: publish(destination, checked))
    assert crashed or step > STEPS // 2
    found = files(mounted).get(NAME)
    assert found in (None, TRUTH)
    if crashed:
        publish(destination, checked, resumed=True)
    assert files(mounted)[NAME] == TRUTH
    assert await destination.sweep(set()) >= 1
    assert files(mounted) == PUBLISHED
    assert not list((mounted / ".orderwatch" / "beside").iterdir())


@pytest.mark.parametrize("step", range(1, STEPS + 1))
async def test_leftovers_of_a_delivery_that_no_row_knows_are_swept(
    destination: FilesystemDestination, mounted: Path, checked: Checked, step: int
) -> None:
    crash_at(step, lambda: publish(destination, checked))
    await destination.sweep(set())
    assert not [name for name in files(mounted) if Path(name).name.startswith(".")]


def publish(destination: FilesystemDestination, checked: Checked, *, resumed: bool = False) -> None:
    final = destination.partials.parents[1] / NAME
    part = destination.partials / PART
    assert publishing.publish(part, final, SIDECAR, size=checked.size, sha256=checked.sha256, resumed=resumed)


def crash_at(step: int, work: object) -> bool:
    """Run the work; end it before its nth system call that matters. Returns whether it was ended."""
    assert callable(work)
    count, thread = 0, threading.get_ident()
    watched = {"os.link", "os.rename", "os.remove", "os.mkdir", "open", "shutil.copyfile"}

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if not counting or threading.get_ident() != thread or event not in watched:
            return
        if event == "open" and "/proc/" in str(arguments[0]):
            return
        count += 1
        if count == step:
            raise Crash

    counting = True
    _watchers.append(watch)
    try:
        work()
    except Crash:
        return True
    finally:
        counting = False
        _watchers.remove(watch)
    return False


_watchers: list[object] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    for watcher in tuple(_watchers):
        assert callable(watcher)
        watcher(event, arguments)


@pytest.fixture(autouse=True, scope="module")
def audited() -> None:
    """Hooks cannot be removed: this one does nothing between the tests."""
    sys.addaudithook(_hook)


async def test_a_full_mount_parks_the_delivery_and_keeps_nothing(
    destination: FilesystemDestination, mounted: Path, checked: Checked
) -> None:
    if os.statvfs(mounted / PROJECT).f_fsid == os.statvfs(mounted).f_fsid:
        pytest.skip("a folder of the same file system cannot be full alone")
    subprocess.run(  # noqa: ASYNC221 - short
        ["mount", "-o", "remount,size=64k", str(mounted / PROJECT)], check=True
    )
    with pytest.raises(DiskError, match="No space"):
        await destination.publish(PART, NAME, SIDECAR, checked)
    assert not files(mounted)


async def test_bytes_that_the_mount_changes_are_not_published(
    destination: FilesystemDestination, mounted: Path, checked: Checked
) -> None:
    with pytest.raises(DiskError, match="other bytes"):
        await destination.publish(PART, NAME, SIDECAR, replace(checked, sha256="0" * 64))
    assert not files(mounted)


async def test_a_zip_is_extracted_in_the_mount(
    destination: FilesystemDestination, mounted: Path, checked: Checked
) -> None:
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    extracted = await destination.extract(PART, NAME, lambda _size: None)
    await destination.discard(PART)
    assert (extracted.folder, extracted.files) == (NAME.removesuffix(".zip"), 3)
    assert not [name for name in files(mounted) if "/." in name]


async def test_an_inspection_passes_over_what_is_staged_and_can_quarantine_from_a_mount(
    destination: FilesystemDestination, mounted: Path, checked: Checked
) -> None:
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    inspector = TreeInspector(mounted)
    assert sorted((await inspector.walk([])).files) == [NAME, f"{NAME}.json"]
    await inspector.quarantine(NAME, "changed")
    assert (mounted / ".orderwatch" / "quarantine" / "scene.zip").read_bytes() == TRUTH
    assert not (mounted / NAME).exists()
    await inspector.write_sidecar(f"{NAME}.json", b"again", "some.json")
    assert files(mounted)[f"{NAME}.json"] == b"again"


async def test_the_check_names_such_folders(destination: FilesystemDestination, mounted: Path) -> None:
    del destination
    assert nested_mounts(mounted) == [PROJECT]
    assert copied_into(mounted) == (
        f"files are copied, not linked, into folders that are separate mounts: {PROJECT}"
    )
    assert copied_into(mounted / PROJECT) is None


async def test_a_staging_folder_that_is_a_separate_mount_is_one_more_case_of_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / ".orderwatch").mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(root / ".orderwatch")]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:  # noqa: ASYNC221 - short
        pytest.skip("only root can mount")
    try:
        made = FilesystemDestination(root)
        await made.prepare()
        (made.partials / PART).write_bytes(TRUTH)
        checked = Checked(size=len(TRUTH), sha256=digest(made.partials / PART))
        assert await made.publish(PART, NAME, SIDECAR, checked)
        await made.discard(PART)
        assert files(root) == PUBLISHED
        assert nested_mounts(root) == [".orderwatch"]
    finally:
        subprocess.run(["umount", "-l", str(root / ".orderwatch")], check=True)  # noqa: ASYNC221 - as above


async def test_an_absent_mount_keeps_its_record_for_the_day_it_is_back(
    destination: FilesystemDestination, mounted: Path
) -> None:
    part = destination.partials / PART
    assert side_staging.side_name(part, mounted / PROJECT) is not None
    subprocess.run(["umount", "-l", str(mounted / PROJECT)], check=True)  # noqa: ASYNC221 - short
    try:
        assert not side_staging.remove_beside(part)
    finally:
        subprocess.run(  # noqa: ASYNC221 - as above
            ["mount", "-t", "tmpfs", "tmpfs", str(mounted / PROJECT)], check=True
        )
    assert side_staging.remove_beside(part)
    shutil.rmtree(mounted / ".orderwatch")
