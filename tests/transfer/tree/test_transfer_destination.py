"""The staging folder: prepared, swept, and with the refused bytes set aside."""

import asyncio
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.transfer.transfer_kit import GARBAGE, OTHER, PART, TRUTH

from orderwatch.core.model import Delivery
from orderwatch.errors import DiskError
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.zip.verify import digest


@pytest.fixture
def destination(tmp_path: Path) -> FilesystemDestination:
    return FilesystemDestination(tmp_path / "deep" / "root")


async def test_preparing_makes_every_folder_and_leaves_no_trace_of_its_probe(
    destination: FilesystemDestination, tmp_path: Path
) -> None:
    await destination.prepare()
    await destination.prepare()
    staging = tmp_path / "deep" / "root" / ".orderwatch"
    assert sorted(path.name for path in staging.rglob("*")) == ["partial", "quarantine"]
    assert destination.free() > 0


async def test_preparing_survives_what_a_crashed_probe_left(
    destination: FilesystemDestination, tmp_path: Path
) -> None:
    await destination.prepare()
    staging = tmp_path / "deep" / "root" / ".orderwatch"
    (destination.partials / ".probe").write_bytes(b"")
    (staging / ".probe").write_bytes(b"")
    await destination.prepare()
    assert sorted(path.name for path in staging.rglob("*")) == ["partial", "quarantine"]


async def test_preparing_keeps_partials_and_quarantine(destination: FilesystemDestination) -> None:
    await destination.prepare()
    (destination.partials / PART).write_bytes(TRUTH)
    await destination.quarantine(PART, "why")
    (destination.partials / PART).write_bytes(OTHER)
    await destination.prepare()
    assert (destination.partials / PART).read_bytes() == OTHER
    assert (destination.partials.parent / "quarantine" / PART).read_bytes() == TRUTH


async def test_a_root_that_is_no_folder_is_a_trouble_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    destination = FilesystemDestination(tmp_path / "file" / "root")
    with pytest.raises(DiskError):
        await destination.prepare()
    with pytest.raises(DiskError):
        destination.free()


async def test_a_sweep_keeps_what_rows_know_and_nothing_else(destination: FilesystemDestination) -> None:
    await destination.prepare()
    for name in ("known.part", "unknown.part", "known.json", ".probe"):
        (destination.partials / name).write_bytes(b"x")
    assert await destination.sweep({"known.part", "absent.part"}) == 3
    assert [path.name for path in destination.partials.iterdir()] == ["known.part"]
    assert await destination.sweep({"known.part"}) == 0


async def test_quarantine_keeps_the_bytes_and_the_reason(destination: FilesystemDestination) -> None:
    await destination.prepare()
    (destination.partials / PART).write_bytes(GARBAGE)
    sha256 = digest(destination.partials / PART)
    assert await destination.quarantine(PART, "the zip is no zip") == (
        sha256,
        f".orderwatch/quarantine/{PART}",
    )
    quarantine = destination.partials.parent / "quarantine"
    assert (quarantine / PART).read_bytes() == GARBAGE
    assert (quarantine / f"{PART}.reason.txt").read_text() == f"the zip is no zip\nsha256 {sha256}\n"
    assert not list(destination.partials.iterdir())


async def test_the_bytes_refused_last_replace_those_before(destination: FilesystemDestination) -> None:
    await destination.prepare()
    for data, reason in ((GARBAGE, "first"), (OTHER, "second")):
        (destination.partials / PART).write_bytes(data)
        await destination.quarantine(PART, reason)
    quarantine = destination.partials.parent / "quarantine"
    assert (quarantine / PART).read_bytes() == OTHER
    assert (quarantine / f"{PART}.reason.txt").read_text().startswith("second\n")


async def test_a_partial_that_is_gone_cannot_be_set_aside(destination: FilesystemDestination) -> None:
    await destination.prepare()
    with pytest.raises(DiskError):
        await destination.quarantine(PART, "why")


async def test_a_cancelled_verification_has_let_go_of_the_file_when_it_returns(
    destination: FilesystemDestination, delivery: Delivery
) -> None:
    await destination.prepare()
    with (destination.partials / PART).open("wb") as file:
        file.write(TRUTH)
        file.truncate(2**33)  # holes: to read them all would take many seconds
    task = asyncio.create_task(destination.verify(PART, delivery))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_names_that_nobody_resolves_do_not_hold_up_the_disk(
    destination: FilesystemDestination,
) -> None:
    """They fill the threads that asyncio resolves names in."""
    loop, answered = asyncio.get_running_loop(), threading.Event()
    hanging = [loop.run_in_executor(None, answered.wait) for _ in range(40)]
    await destination.prepare()
    answered.set()
    await asyncio.gather(*hanging)


async def test_what_a_partial_occupies_are_its_blocks_not_its_length(
    destination: FilesystemDestination,
) -> None:
    await destination.prepare()
    assert destination.occupied(PART) == 0
    with (destination.partials / PART).open("wb") as file:
        file.write(b"x" * 8192)
        file.truncate(10**9)  # a hole
    assert 8192 <= destination.occupied(PART) < 10**6


async def test_a_file_system_without_an_inode_left_has_no_space(
    destination: FilesystemDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    await destination.prepare()
    room = {"f_bavail": 10, "f_frsize": 4096}
    for inodes, left in ((100, 0), (100, 1), (0, 0)):  # some file systems do not count them
        found = SimpleNamespace(f_files=inodes, f_favail=left, **room)
        with monkeypatch.context() as patch:
            patch.setattr(os, "statvfs", lambda _path, found=found: found)
            if inodes and not left:
                with pytest.raises(DiskError, match="no space: the file system has no free inodes"):
                    destination.free()
            else:
                assert destination.free() == 40960


async def test_a_tree_is_marked_once(destination: FilesystemDestination) -> None:
    assert await destination.volume() is None
    await destination.prepare()
    marked = await destination.mark()
    assert await destination.mark() == await destination.volume() == marked
