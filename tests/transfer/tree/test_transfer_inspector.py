"""A tree as it is found: read, walked, and nothing of it ever lost."""

import asyncio
import os
from pathlib import Path

import pytest

from orderwatch.core.deliveries.audit import Reading
from orderwatch.errors import DiskError
from orderwatch.transfer.tree.inspector import TreeInspector
from orderwatch.transfer.zip.verify import digest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    return made


@pytest.fixture
def tree(root: Path) -> TreeInspector:
    return TreeInspector(root)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def unheard(_size: int) -> None:
    pass


async def test_a_file_of_the_expected_size_is_read_whole_and_heard_of(
    root: Path, tree: TreeInspector
) -> None:
    (root / "a").write_bytes(b"x" * 3_000_000)
    on_bytes: list[int] = []
    assert await tree.read("a", 3_000_000, on_bytes.append) == Reading(
        size=3_000_000, sha256=digest(root / "a")
    )
    assert sum(on_bytes) == 3_000_000
    assert len(on_bytes) > 1


async def test_of_another_size_the_size_tells_enough(root: Path, tree: TreeInspector) -> None:
    (root / "a").write_bytes(b"xyz")
    on_bytes: list[int] = []
    assert await tree.read("a", 4, on_bytes.append) == Reading(size=3)
    assert on_bytes == []


async def test_what_is_gone_and_what_cannot_be_read_are_told_apart(root: Path, tree: TreeInspector) -> None:
    (root / "folder").mkdir()
    (root / "file").touch()
    (root / "dangling").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    (root / "round").symlink_to("round")
    for gone in ("nothing", "dangling", "file/below"):
        assert await tree.read(gone, 1, unheard) == Reading()
        assert await tree.read_sidecar(gone) == (None, None)
    for odd in ("folder", "pipe"):
        assert await tree.read(odd, 1, unheard) == Reading(trouble="not a regular file")
        assert await tree.read_sidecar(odd) == (None, "not a regular file")
    found = await tree.read("round", 1, unheard)
    assert found.trouble
    assert await tree.read_sidecar("round") == (None, found.trouble)


async def test_a_cancelled_reading_ends_soon_with_its_thread(root: Path, tree: TreeInspector) -> None:
    with (root / "a").open("wb") as file:
        file.truncate(2**40)  # sparse: it would take an hour
    begun, loop = asyncio.Event(), asyncio.get_running_loop()

    def on_bytes(_size: int) -> None:
        loop.call_soon_threadsafe(begun.set)

    reading = asyncio.create_task(tree.read("a", 2**40, on_bytes))
    await begun.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_walk_shows_every_file_but_staging_other_trees_and_lost_and_found(
    root: Path, tree: TreeInspector
) -> None:
    for name in (
        "a/b/c.zip",
        "d",
        ".orderwatch/partial/p",
        "own/e",
        "lost+found/f",
        "a/.orderwatch/g",
        "a/own/h",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"xy")
    (root / "link").symlink_to(root.parent)
    walked = await tree.walk(["own"])
    assert sorted(walked.files) == ["a/.orderwatch/g", "a/b/c.zip", "a/own/h", "d", "link"]
    assert walked.files["d"] == 2
    assert walked.errors == {}


async def test_a_folder_that_cannot_be_walked_is_told_and_the_others_are_walked(
    root: Path, tree: TreeInspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bad", "good"):
        (root / name).mkdir()
        (root / name / "file").touch()
    scandir = os.scandir

    def scan(path: str) -> object:
        if str(path).endswith("bad"):
            raise OSError(5, "Input/output error", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    walked = await tree.walk([])
    assert (list(walked.files), walked.errors) == (["good/file"], {"bad": "Input/output error"})


async def test_an_empty_folder_is_no_tree(root: Path, tree: TreeInspector) -> None:
    assert await tree.absence()
    assert await TreeInspector(root / "nothing").absence()
    (root / ".orderwatch").mkdir()
    assert await tree.absence() is None


async def test_what_is_set_aside_writes_over_nothing(root: Path, tree: TreeInspector) -> None:
    quarantine = root / ".orderwatch" / "quarantine"
    for number in range(3):
        (root / "X.zip").write_bytes(b"%d" % number)
        await tree.quarantine("X.zip", f"why {number}")
    for number, name in enumerate(("X.zip", "X-2.zip", "X-3.zip")):
        assert (quarantine / name).read_bytes() == b"%d" % number
        reason = (quarantine / f"{name}.reason.txt").read_text()
        assert reason == f"why {number}\nwas {root}/X.zip\n"
    assert names(root) == [".orderwatch"]


async def test_setting_aside_what_is_gone_leaves_no_trace(root: Path, tree: TreeInspector) -> None:
    await tree.quarantine("X.zip", "missing")
    assert names(root) == []


async def test_a_folder_or_a_link_under_a_name_is_set_aside_too(root: Path, tree: TreeInspector) -> None:
    quarantine = root / ".orderwatch" / "quarantine"
    (root / "X.zip").symlink_to("nowhere")
    await tree.quarantine("X.zip", "missing")
    assert (quarantine / "X.zip").is_symlink()
    (root / "X.zip").mkdir()
    await tree.quarantine("X.zip", "not a regular file")
    assert (quarantine / "X-2.zip").is_dir()


async def test_what_cannot_be_moved_stays_and_leaves_no_reason_behind(
    root: Path, tree: TreeInspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "X.zip").write_bytes(b"stored")

    def refuse(self: Path, _target: Path) -> Path:
        raise OSError(1, "Operation not permitted", str(self))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(DiskError, match=r"cannot quarantine X\.zip: Operation not permitted"):
        await tree.quarantine("X.zip", "changed")
    assert (root / "X.zip").read_bytes() == b"stored"
    assert names(root / ".orderwatch" / "quarantine") == []


async def test_a_sidecar_is_written_whole_under_its_name(root: Path, tree: TreeInspector) -> None:
    aside = root / ".orderwatch" / "repair"
    aside.mkdir(parents=True)
    (aside / "p.json").write_bytes(b"half of what a cra")
    await tree.write_sidecar("X.zip.json", b"{}", "p.json")
    assert (root / "X.zip.json").read_bytes() == b"{}"
    assert names(aside) == []


async def test_a_forgotten_partial_takes_nothing_from_its_other_name(root: Path, tree: TreeInspector) -> None:
    (root / ".orderwatch" / "partial").mkdir(parents=True)
    (root / "X.zip").write_bytes(b"stored")
    os.link(root / "X.zip", root / ".orderwatch" / "partial" / "p")
    await tree.remove_partial("p")
    await tree.remove_partial("p")
    assert (root / "X.zip").read_bytes() == b"stored"
    assert not (root / ".orderwatch" / "partial" / "p").exists()
