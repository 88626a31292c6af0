"""Writes the catalog's files in a delivery tree: to a temporary file, durable, then renamed."""

import asyncio
import os
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

import orjson

from orderwatch.cancellation import shielded
from orderwatch.core.deliveries.audit import sidecar_of
from orderwatch.core.deliveries.paths import is_catalog
from orderwatch.core.stac import MARK, Document
from orderwatch.errors import DiskError
from orderwatch.fsync import sync
from orderwatch.transfer.fsops import (
    DEFAULT_PERMISSIONS,
    Permissions,
    link_exclusive,
    make_folders,
    translate_os_errors,
    write_durable,
)

R = TypeVar("R")

_ERROR_PREFIX = "cannot write the catalog"


class CatalogWriter:
    """The catalog files of one tree. Raises `DiskError` if the disk fails or a foreign file is in the way."""

    def __init__(self, root: Path, permissions: Permissions = DEFAULT_PERMISSIONS) -> None:
        self._root = root
        self._permissions = permissions
        self._temporary = root / ".orderwatch" / "catalogue.new"

    async def write(self, documents: Mapping[str, Document]) -> None:
        await _in_thread(lambda stop: self._write(documents, stop))

    async def create(self, documents: Mapping[str, Document]) -> None:
        """Write the documents whose files do not exist."""
        missing = {path: document for path, document in documents.items() if not self._exists(path)}
        if missing:
            await self.write(missing)

    async def remove(self, paths: Collection[str]) -> None:
        """Remove these catalog files; other files at these paths stay."""
        await _in_thread(lambda stop: self._remove(paths, stop))

    async def other_files(self, known: Collection[str]) -> list[str]:
        return await _in_thread(lambda _stop: self._other_files(known))

    def _write(self, documents: Mapping[str, Document], stop: threading.Event) -> None:
        folders = set()
        for path, document in documents.items():
            if stop.is_set():
                raise InterruptedError
            self._write_one(self._target(path), orjson.dumps(document, option=orjson.OPT_INDENT_2))
            folders.add((self._root / path).parent)
        for folder in folders:
            sync(folder)

    def _exists(self, path: str) -> bool:
        return os.path.lexists(self._root / path)

    def _target(self, path: str) -> Path:
        """Return the path in the tree; raises `DiskError` if a symbolic link leads out of the tree."""
        target = self._root / path
        if not is_catalog(path) or not target.parent.resolve().is_relative_to(self._root.resolve()):
            raise DiskError(f"{_ERROR_PREFIX}: {target} leads out of the tree; remove the symbolic link")
        return target

    def _write_one(self, target: Path, content: bytes) -> None:
        is_there = os.path.lexists(target)
        if not _is_ours(target) if is_there else _has_sidecar(target):
            raise DiskError(
                f"{_ERROR_PREFIX}: {target} is not a catalog file; move it away, or set stac = false"
            )
        self._temporary.unlink(missing_ok=True)  # after a crash it may be another name of an item
        write_durable(self._temporary, content, self._permissions)
        make_folders(target.parent, self._permissions)  # only now: nothing is created if the tree is missing
        if is_there:
            self._temporary.replace(target)
        else:  # never overwrites a file that appeared meanwhile
            link_exclusive(self._temporary, target)
            self._temporary.unlink(missing_ok=True)

    def _remove(self, paths: Collection[str], stop: threading.Event) -> None:
        for path in paths:
            if stop.is_set():
                raise InterruptedError
            target = self._target(path)
            if _is_ours(target):
                target.unlink()
                sync(target.parent)

    def _other_files(self, known: Collection[str]) -> list[str]:
        found = [str(path.relative_to(self._root)) for path in (self._root / "stac").glob("**/*.json")]
        others = [path for path in found if is_catalog(path) and path not in known]
        return [path for path in others if _is_ours(self._root / path)]


def _is_ours(path: Path) -> bool:
    """Return whether the file was written by the catalog; a delivery never counts."""
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
    """Run in a thread; if cancelled, wait for the file that is being written."""
    stop = threading.Event()
    with translate_os_errors(_ERROR_PREFIX):
        return await shielded(asyncio.to_thread(work, stop), hurry=stop.set)
