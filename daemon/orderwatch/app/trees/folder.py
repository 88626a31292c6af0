"""A delivery tree in a folder."""

import asyncio
from pathlib import Path

from orderwatch.core.model import Delivery
from orderwatch.errors import DiskError, StoredFileError
from orderwatch.transfer.fsops import Permissions, translate_os_errors
from orderwatch.transfer.tree.catalog_files import CatalogWriter
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.tree.inspector import TreeInspector
from orderwatch.transfer.tree.nested_mounts import nested_mounts
from orderwatch.transfer.tree.stored_file import open_stored
from orderwatch.transfer.write_probe import try_unnamed, try_writing


class FolderTree:
    """`shared_as` is the name of this host, if others write there too."""

    def __init__(self, root: Path, shared_as: str | None = None) -> None:
        self.root = root
        self.folder = root
        self._shared_as = shared_as

    @property
    def is_shared(self) -> bool:
        return self._shared_as is not None

    def destination(self, permissions: Permissions) -> FilesystemDestination:
        return FilesystemDestination(self.root, permissions, shared_as=self._shared_as)

    def inspector(self, *, is_whole: bool = True) -> TreeInspector:
        del is_whole  # reading costs nothing but time
        return TreeInspector(self.root)

    def catalog_files(self, permissions: Permissions) -> CatalogWriter:
        return CatalogWriter(self.root, permissions)

    async def picture(self, delivery: Delivery, limit: int) -> bytes | None:
        return await asyncio.to_thread(_read, self.root, delivery, limit)

    async def link(self, delivery: Delivery, method: str) -> str | None:
        del delivery, method
        return None

    async def try_writing(self, permissions: Permissions) -> str:
        found = await asyncio.to_thread(try_writing, self.root, permissions)
        copied = await asyncio.to_thread(copied_into, self.root)
        return f"{found}; {copied}" if copied else found


def _read(root: Path, delivery: Delivery, limit: int) -> bytes | None:
    if (delivery.size or 0) > limit:
        return None
    try:
        with open_stored(root, delivery) as file:
            return file.read()
    except (StoredFileError, OSError):
        return None


def copied_into(root: Path) -> str | None:
    """Return a remark about the folders of a tree that are separate mounts; None without any.

    Raises `DiskError` if one cannot be written.
    """
    mounts = nested_mounts(root)
    for mount in mounts:
        with translate_os_errors(f"cannot use {root / mount}", DiskError):
            try_unnamed(root / mount)
    if not mounts:
        return None
    return f"files are copied, not linked, into folders that are separate mounts: {', '.join(mounts)}"
