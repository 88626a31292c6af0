"""The catalogue's files in a delivery tree: written aside, durable, then under their names."""

import asyncio
import os
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

import orjson

from orderwatch.cancellation import shielded
from orderwatch.core.deliveries.audit import sidecar_of
from orderwatch.core.deliveries.paths import is_catalogue
from orderwatch.core.stac import MARK, Document
from orderwatch.errors import DiskError
from orderwatch.fsync import sync
from orderwatch.transfer.fsops import (
    DEFAULT_PERMISSIONS,
    Permissions,
    give_name,
    make_folders,
    translated,
    write_durable,
)

R = TypeVar("R")

_TROUBLE = "the catalogue cannot be written"


class CatalogWriter:
    """One tree's, which this process holds. `DiskError` where the disk or a stranger's file refuses."""

    def __init__(self, root: Path, permissions: Permissions = DEFAULT_PERMISSIONS) -> None:
        self._root = root
        self._permissions = permissions
        self._aside = root / ".orderwatch" / "catalogue.new"

    async def write(self, documents: Mapping[str, Document]) -> None:
        await _in_thread(lambda stop: self._write(documents, stop))

    async def remove(self, paths: Collection[str]) -> None:
        """What is not there, or not the catalogue's, stays as it is."""
        await _in_thread(lambda stop: self._remove(paths, stop))

    async def besides(self, known: Collection[str]) -> list[str]:
        """Every other file below `stac` that is the catalogue's."""
        return await _in_thread(lambda _stop: self._besides(known))

    def _write(self, documents: Mapping[str, Document], stop: threading.Event) -> None:
        folders = set()
        for path, document in documents.items():
            if stop.is_set():
                raise InterruptedError
            self._put(self._target(path), orjson.dumps(document, option=orjson.OPT_INDENT_2))
            folders.add((self._root / path).parent)
        for folder in folders:
            sync(folder)

    def _target(self, path: str) -> Path:
        """A link that stands where a folder should be is not followed out of the tree."""
        target = self._root / path
        if not is_catalogue(path) or not target.parent.resolve().is_relative_to(self._root.resolve()):
            raise DiskError(f"{_TROUBLE}: {target} leads elsewhere; move away what stands in its way")
        return target

    def _put(self, target: Path, content: bytes) -> None:
        is_there = os.path.lexists(target)
        if not _is_ours(target) if is_there else _has_sidecar(target):
            raise DiskError(f"{_TROUBLE}: {target} is not its own file; move it away, or set stac = false")
        self._aside.unlink(missing_ok=True)  # after a crash it may be another name of an item
        write_durable(self._aside, content, self._permissions)
        make_folders(target.parent, self._permissions)  # now: where no tree stands, nothing is made
        if is_there:
            self._aside.replace(target)
        else:  # what comes there meanwhile is not overwritten
            give_name(self._aside, target)
            self._aside.unlink(missing_ok=True)

    def _remove(self, paths: Collection[str], stop: threading.Event) -> None:
        for path in paths:
            if stop.is_set():
                raise InterruptedError
            target = self._target(path)
            if _is_ours(target):
                target.unlink()
                sync(target.parent)

    def _besides(self, known: Collection[str]) -> list[str]:
        found = [str(path.relative_to(self._root)) for path in (self._root / "stac").glob("*/**/*.json")]
        others = [path for path in found if is_catalogue(path) and path not in known]
        return [path for path in others if _is_ours(self._root / path)]


def _is_ours(path: Path) -> bool:
    """A file of the catalogue's own, whatever its name; never a delivery."""
    if path.is_symlink() or not path.is_file() or _has_sidecar(path):
        return False
    try:
        document: object = orjson.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(document, dict) and MARK in document


def _has_sidecar(path: Path) -> bool:
    return os.path.lexists(path.with_name(sidecar_of(path.name)))


async def _in_thread(work: Callable[[threading.Event], R]) -> R:
    """Off the loop; whoever is cancelled waits for the file that is being written."""
    stop = threading.Event()
    with translated(_TROUBLE):
        return await shielded(asyncio.to_thread(work, stop), hurry=stop.set)
