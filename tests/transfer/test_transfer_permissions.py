"""Modes and owner as configured, file systems without hard links, links that lead out of the tree."""

import errno
import os
import stat
from pathlib import Path

import pytest
from tests.transfer.transfer_kit import OTHER, PART, TRUTH

from orderwatch.errors import DiskError, LostBytesError
from orderwatch.ports import Checked
from orderwatch.transfer.fsops import Permissions
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.zip.verify import digest

NAME = "Harbour/23272/scene.zip"
OURS = Permissions(file_mode=0o440, folder_mode=0o2750)
SIDECAR = b'{"scene": "scene"}'


async def prepared(folder: Path, permissions: Permissions = OURS) -> tuple[FilesystemDestination, Checked]:
    """With a verified partial."""
    destination = FilesystemDestination(folder / "root", permissions)
    await destination.prepare()
    part = destination.partials / PART
    part.write_bytes(TRUTH)
    return destination, Checked(size=len(TRUTH), sha256=digest(part))


def modes(root: Path, *names: str) -> list[int]:
    return [stat.S_IMODE((root / name).stat().st_mode) for name in names]


async def test_files_and_the_folders_we_make_have_the_modes_of_the_configuration(tmp_path: Path) -> None:
    destination, checked = await prepared(tmp_path)
    root = tmp_path / "root"
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    assert modes(root, "", "Harbour", "Harbour/23272") == [0o2750] * 3
    assert modes(root, NAME, f"{NAME}.json") == [0o440] * 2
    assert modes(root, ".orderwatch") == [0o700]


async def test_folders_that_are_there_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "root" / "Harbour").mkdir(mode=0o711, parents=True)
    before = modes(tmp_path, "root", "root/Harbour")
    destination, checked = await prepared(tmp_path)
    await destination.publish(PART, NAME, SIDECAR, checked)
    assert modes(tmp_path, "root", "root/Harbour") == before


@pytest.mark.skipif(os.geteuid() != 0, reason="files can be given away by root only")
async def test_files_and_folders_have_the_owner_of_the_configuration(tmp_path: Path) -> None:
    destination, checked = await prepared(tmp_path, Permissions(uid=4321, gid=8765))
    await destination.publish(PART, NAME, SIDECAR, checked)
    for name in (NAME, f"{NAME}.json", "Harbour", ""):
        found = (tmp_path / "root" / name).stat()
        assert (found.st_uid, found.st_gid) == (4321, 8765)


async def test_a_file_has_its_rights_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination, checked = await prepared(tmp_path)

    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        with pytest.raises(DiskError):
            await destination.publish(PART, NAME, SIDECAR, checked)
    assert modes(destination.partials, PART) == [0o440]
    assert await destination.publish(PART, NAME, SIDECAR, checked, resumed=True)


async def test_a_partial_that_was_verified_before_a_crash_gets_its_rights_too(tmp_path: Path) -> None:
    destination, checked = await prepared(tmp_path)
    assert await destination.publish(PART, NAME, SIDECAR, checked, resumed=True)
    assert modes(tmp_path / "root", NAME) == [0o440]


async def test_what_may_not_be_given_away_keeps_the_tree_from_being_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    destination = FilesystemDestination(tmp_path, Permissions(uid=4321))
    monkeypatch.setattr(os, "fchown", refuse)
    with pytest.raises(DiskError, match="cannot prepare the destination: Operation not permitted"):
        await destination.prepare()


async def test_a_partial_whose_rights_cannot_be_made_durable_has_lost_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination, checked = await prepared(tmp_path)
    part, sync = destination.partials / PART, os.fsync

    def fail(handle: int) -> None:
        if os.path.sameopenfile(handle, opened):
            raise OSError(errno.EIO, "Input/output error")
        sync(handle)

    opened = os.open(part, os.O_RDONLY)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(LostBytesError):
        await destination.publish(PART, NAME, SIDECAR, checked)
    os.close(opened)


# File systems without hard links


@pytest.fixture(params=[errno.EPERM, errno.EOPNOTSUPP])
def _linkless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("_linkless")
async def test_without_hard_links_the_partial_is_renamed_and_overwrites_nothing(tmp_path: Path) -> None:
    destination, checked = await prepared(tmp_path)
    root = tmp_path / "root"
    taken = "Harbour/23272/taken.zip"
    (root / taken).parent.mkdir(parents=True)
    (root / taken).write_bytes(OTHER)
    assert not await destination.publish(PART, taken, SIDECAR, checked)
    assert (root / taken).read_bytes() == OTHER
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    assert (root / NAME).read_bytes() == TRUTH
    await destination.discard(PART)
    assert await destination.publish(PART, NAME, SIDECAR, checked, resumed=True)


@pytest.mark.usefixtures("_linkless")
async def test_a_name_taken_at_the_last_moment_is_not_overwritten_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination, checked = await prepared(tmp_path)
    final = tmp_path / "root" / NAME
    refused = os.link

    def too_late(*args: object, **more: object) -> None:
        final.write_bytes(OTHER)
        refused(*args, **more)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(os, "link", too_late)
    assert not await destination.publish(PART, NAME, SIDECAR, checked)
    assert final.read_bytes() == OTHER


# Links that lead out of the tree


@pytest.mark.parametrize("target", ["../outside", "../outside/not there"])
async def test_a_folder_that_is_a_link_out_of_the_tree_is_not_followed(tmp_path: Path, target: str) -> None:
    destination, checked = await prepared(tmp_path)
    (tmp_path / "outside").mkdir()
    (tmp_path / "root" / "Harbour").symlink_to(target)
    with pytest.raises(DiskError, match="leads out of the delivery root"):
        await destination.publish(PART, NAME, SIDECAR, checked)
    assert not list((tmp_path / "outside").iterdir())


async def test_a_root_that_is_a_link_and_a_link_within_the_tree_are_followed(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "root").symlink_to("volume")
    destination, checked = await prepared(tmp_path)
    (tmp_path / "volume" / "Old").mkdir()
    (tmp_path / "volume" / "Harbour").symlink_to("Old")
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    assert (tmp_path / "volume" / "Old" / "23272" / "scene.zip").read_bytes() == TRUTH


async def test_what_is_extracted_has_the_same_rights(tmp_path: Path) -> None:
    destination, checked = await prepared(tmp_path)
    assert await destination.publish(PART, NAME, SIDECAR, checked)
    done = await destination.extract(PART, NAME, lambda _size: None)
    folder = tmp_path / "root" / done.folder
    made = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert {mode for path, mode in made.items() if path.is_dir()} == {0o2750}
    assert {mode for path, mode in made.items() if path.is_file()} == {0o440}
