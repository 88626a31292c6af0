"""A tree is tried without leaving anything behind, whether it is there or not."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from orderwatch.errors import DiskError
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.write_probe import available_space, try_writing


def test_of_a_tree_that_is_not_there_only_the_folder_above_is_tried(tmp_path: Path) -> None:
    root = tmp_path / "a" / "b"
    before = tmp_path.stat().st_mtime_ns
    assert try_writing(root) == f"does not exist yet; the first start creates it, {tmp_path} is writable"
    assert available_space(root) > 0
    assert (list(tmp_path.iterdir()), tmp_path.stat().st_mtime_ns) == ([], before)


def test_what_is_tried_is_where_deliveries_are_written_and_none_of_it_stays(tmp_path: Path) -> None:
    assert try_writing(tmp_path) == "writable"
    assert list(tmp_path.iterdir()) == []
    asyncio.run(FilesystemDestination(tmp_path).prepare())
    before = sorted(tmp_path.rglob("*"))
    staging = tmp_path / ".orderwatch/partial"
    os.utime(staging, (0, 0))
    assert try_writing(tmp_path) == "writable"
    assert sorted(tmp_path.rglob("*")) == before
    assert staging.stat().st_mtime > 0


def test_a_tree_that_takes_no_files_is_told_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    for root in (file, file / "below"):
        with pytest.raises(DiskError, match=r"cannot use .*: Not a directory"):
            try_writing(root)

    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", broken)
    with pytest.raises(DiskError, match=r"cannot use .*: Input/output error"):
        try_writing(tmp_path)
    assert list(tmp_path.iterdir()) == [file]
