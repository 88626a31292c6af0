"""Publishing: durable, once, never over another file, and the same again after a crash at any step."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.transfer.transfer_kit import OTHER, PART, TRUTH

from orderwatch.errors import DiskError, LostBytesError
from orderwatch.fsync import sync
from orderwatch.ports import Checked
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.zip.verify import digest

NAME = "Harbour/23272/capture/scene.zip"


def sidecar(scene: str = "scene", version: int = 1, **more: object) -> bytes:
    identity = {"account": "main", "order": "23272", "task": 23272, "capture": "capture", "scene": scene}
    return json.dumps({**identity, "attachment": "delivery_zip", "version": version, **more}).encode()


SIDECAR = sidecar(stored_at="now")


@pytest.fixture
async def destination(tmp_path: Path) -> FilesystemDestination:
    """With a verified partial."""
    made = FilesystemDestination(tmp_path / "root")
    await made.prepare()
    (made.partials / PART).write_bytes(TRUTH)
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def part(destination: FilesystemDestination) -> Path:
    return destination.partials / PART


@pytest.fixture
def checked(part: Path) -> Checked:
    return Checked(size=len(TRUTH), sha256=digest(part))


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def tree(root: Path) -> dict[str, bytes]:
    """Every file that stands under a final name."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".orderwatch" not in path.parts
    }


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


PUBLISHED = {NAME: TRUTH, f"{NAME}.json": SIDECAR}


async def test_a_verified_partial_gets_its_name_and_its_sidecar(
    destination: FilesystemDestination, root: Path, part: Path, checked: Checked
) -> None:
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    assert tree(root) == PUBLISHED
    assert (root / NAME).samefile(part)
    assert list(destination.partials.iterdir()) == [part]


async def test_discarding_the_partial_leaves_the_file(
    destination: FilesystemDestination, root: Path, checked: Checked
) -> None:
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    await destination.discard(PART)
    await destination.discard(PART)
    assert tree(root) == PUBLISHED
    assert (root / NAME).stat().st_nlink == 1


async def test_publishing_again_changes_nothing(
    destination: FilesystemDestination, root: Path, checked: Checked
) -> None:
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    before = (root / NAME).stat()
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    assert tree(root) == PUBLISHED
    after = (root / NAME).stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_nlink) == (before.st_ino, before.st_mtime_ns, 2)


@pytest.mark.usefixtures("usual_umask")
async def test_modes_follow_the_umask_and_staging_is_private(tmp_path: Path) -> None:
    destination = FilesystemDestination(tmp_path / "root")
    await destination.prepare()
    part = destination.partials / PART
    os.close(os.open(part, os.O_CREAT | os.O_WRONLY, 0o666))
    part.write_bytes(TRUTH)
    checked = Checked(size=len(TRUTH), sha256=digest(part))
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "root").rglob("*")}
    assert modes["scene.zip"] == modes["scene.zip.json"] == 0o640
    assert modes["Harbour"] == modes["23272"] == modes["capture"] == 0o750
    assert modes[".orderwatch"] == 0o700


# Names that are taken


async def test_a_foreign_file_is_never_overwritten(
    destination: FilesystemDestination, root: Path, checked: Checked
) -> None:
    (root / NAME).parent.mkdir(parents=True)
    (root / NAME).write_bytes(OTHER)
    assert not await destination.publish(PART, NAME, SIDECAR, checked)
    assert tree(root) == {NAME: OTHER}


@pytest.mark.parametrize("foreign", [b"", b"x", TRUTH[:-1] + b"x", TRUTH[:100], TRUTH + b"x"])
async def test_a_file_that_differs_in_any_way_is_foreign(
    destination: FilesystemDestination, root: Path, checked: Checked, foreign: bytes
) -> None:
    (root / NAME).parent.mkdir(parents=True)
    (root / NAME).write_bytes(foreign)
    assert not await destination.publish(PART, NAME, SIDECAR, checked)
    assert tree(root) == {NAME: foreign}


async def test_the_very_bytes_already_there_count_as_published(
    destination: FilesystemDestination, root: Path, checked: Checked
) -> None:
    (root / NAME).parent.mkdir(parents=True)
    (root / NAME).write_bytes(TRUTH)
    before = (root / NAME).stat()
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    assert tree(root) == PUBLISHED
    after = (root / NAME).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_a_folder_or_a_symbolic_link_under_the_name_is_foreign(
    destination: FilesystemDestination, root: Path, tmp_path: Path, checked: Checked
) -> None:
    (root / NAME).mkdir(parents=True)
    assert not await destination.publish(PART, NAME, SIDECAR, checked)
    (root / NAME).rmdir()
    (tmp_path / "elsewhere").write_bytes(TRUTH)
    for target in ("elsewhere", "nowhere"):
        (root / NAME).symlink_to(tmp_path / target)
        assert not await destination.publish(PART, NAME, SIDECAR, checked)
        (root / NAME).unlink()
    assert not tree(root)


@pytest.mark.parametrize(
    "foreign",
    [
        *(b"", b"no json", b"[]", b"null", b"7", b'{"account": "main"}'),
        *(sidecar("other"), sidecar(version=2), sidecar(order="1")),
    ],
)
async def test_a_foreign_sidecar_is_never_overwritten(
    destination: FilesystemDestination, root: Path, checked: Checked, foreign: bytes
) -> None:
    beside = root / f"{NAME}.json"
    beside.parent.mkdir(parents=True)
    beside.write_bytes(foreign)
    assert not await destination.publish(PART, NAME, SIDECAR, checked)
    assert tree(root) == {f"{NAME}.json": foreign}


async def test_a_folder_in_the_place_of_the_sidecar_is_foreign(
    destination: FilesystemDestination, root: Path, checked: Checked
) -> None:
    (root / f"{NAME}.json").mkdir(parents=True)
    assert not await destination.publish(PART, NAME, SIDECAR, checked)
    assert not tree(root)


async def test_the_sidecar_of_an_order_that_v1_does_not_know_is_not_that_of_another(
    destination: FilesystemDestination, root: Path, checked: Checked
) -> None:
    foreign = sidecar(order="000384", task=None)
    beside = root / f"{NAME}.json"
    beside.parent.mkdir(parents=True)
    beside.write_bytes(foreign)
    assert not await destination.publish(PART, NAME, sidecar(order="000383", task=None), checked)
    assert tree(root) == {f"{NAME}.json": foreign}


async def test_a_sidecar_from_before_orders_had_ids_of_text_counts_as_an_earlier_try(
    destination: FilesystemDestination, root: Path, checked: Checked
) -> None:
    former = json.loads(SIDECAR)
    del former["order"]
    beside = root / f"{NAME}.json"
    beside.parent.mkdir(parents=True)
    beside.write_text(json.dumps(former))
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    assert tree(root) == PUBLISHED


async def test_the_sidecar_of_an_earlier_try_is_replaced(
    destination: FilesystemDestination, root: Path, checked: Checked
) -> None:
    beside = root / f"{NAME}.json"
    beside.parent.mkdir(parents=True)
    beside.write_bytes(sidecar(stored_at="earlier"))
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    assert tree(root) == PUBLISHED


async def test_a_file_in_the_place_of_a_folder_is_a_trouble_of_the_disk(
    destination: FilesystemDestination, root: Path, checked: Checked
) -> None:
    (root / "Harbour").write_bytes(b"foreign")
    with pytest.raises(DiskError):
        await destination.publish(PART, NAME, SIDECAR, checked)
    assert tree(root) == {"Harbour": b"foreign"}


@pytest.mark.parametrize(
    "name", ["../scene.zip", "a/../../scene.zip", "a/../scene.zip", "/etc/scene.zip", ".."]
)
async def test_a_name_that_leads_out_of_the_root_is_refused(
    destination: FilesystemDestination, tmp_path: Path, checked: Checked, name: str
) -> None:
    before = everything(tmp_path)
    with pytest.raises(ValueError, match="leads out"):
        await destination.publish(PART, name, SIDECAR, checked)
    assert everything(tmp_path) == before


# Crashes


def crash_after(step: int, part: Path, final: Path) -> None:
    """The steps of `publish` one by one, up to a crash."""
    beside = final.with_name(f"{final.name}.json")
    done: list[Callable[[], object]] = [
        lambda: final.parent.parent.mkdir(parents=True),
        final.parent.mkdir,
        lambda: part.with_suffix(".json").write_bytes(SIDECAR[:10]),
        lambda: part.with_suffix(".json").write_bytes(sidecar(stored_at="earlier")),
        lambda: part.with_suffix(".json").replace(beside),
        lambda: os.link(part, final),
        lambda: sync(final.parent),
    ]
    for each in done[:step]:
        each()


@pytest.mark.parametrize("step", range(8))
async def test_publishing_after_a_crash_at_any_step_comes_to_the_same(
    destination: FilesystemDestination, root: Path, part: Path, checked: Checked, step: int
) -> None:
    crash_after(step, part, root / NAME)
    await destination.sweep({PART})
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    assert tree(root) == PUBLISHED
    await destination.discard(PART)
    assert not list(destination.partials.iterdir())


@pytest.mark.parametrize("step", range(5))
async def test_a_name_that_was_taken_during_a_crash_makes_us_take_another(
    destination: FilesystemDestination, root: Path, part: Path, checked: Checked, step: int
) -> None:
    crash_after(step, part, root / NAME)
    (root / NAME).parent.mkdir(parents=True, exist_ok=True)
    (root / NAME).write_bytes(OTHER)
    assert not await destination.publish(PART, NAME, SIDECAR, checked)
    second = NAME.replace(".zip", "-2.zip")
    assert await destination.publish(PART, second, SIDECAR, checked)
    assert tree(root) == {NAME: OTHER, second: TRUTH, f"{second}.json": SIDECAR}


async def test_a_file_its_reader_has_moved_since_is_not_made_again(
    destination: FilesystemDestination, root: Path, checked: Checked
) -> None:
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    shutil.move(root / NAME, root / "mine.zip")
    shutil.move(root / f"{NAME}.json", root / "mine.zip.json")
    assert await destination.publish(PART, NAME, SIDECAR, checked, resumed=True)
    assert tree(root) == {"mine.zip": TRUTH, "mine.zip.json": SIDECAR}


async def test_another_link_to_the_partial_does_not_pass_for_a_publication(
    destination: FilesystemDestination, root: Path, part: Path, checked: Checked
) -> None:
    """What a backup by hard links makes of the staging folder."""
    (root.parent / "backup").hardlink_to(part)
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    assert tree(root) == PUBLISHED


async def test_a_partial_that_is_gone_has_lost_its_bytes(
    destination: FilesystemDestination, root: Path, part: Path, checked: Checked
) -> None:
    await destination.discard(part.name)
    with pytest.raises(LostBytesError):
        await destination.publish(PART, NAME, SIDECAR, checked)
    assert not tree(root)


async def test_a_file_that_is_there_needs_no_partial(
    destination: FilesystemDestination, root: Path, part: Path, checked: Checked
) -> None:
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    await destination.discard(part.name)
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    assert tree(root) == PUBLISHED


async def test_a_full_disk_leaves_nothing_under_the_final_name(tiny_disk: Path, checked: Checked) -> None:
    destination = FilesystemDestination(tiny_disk)
    await destination.prepare()
    (destination.partials / PART).write_bytes(TRUTH)
    with pytest.raises(DiskError, match="No space left"):
        await destination.publish(PART, NAME, b"x" * 2**20, checked)
    assert not tree(tiny_disk)
    await destination.sweep({PART})
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    assert tree(tiny_disk) == PUBLISHED
