"""The catalog of stored files: which of them its items list, and its files in a tree."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from orderwatch.core.model import Delivery
from orderwatch.core.stac import Document, Entry


class Unlisted(NamedTuple):
    """A scene whose item does not match its files; `item` is the item's path, None if there is none."""

    account: str
    order_id: str
    task_id: int | None
    scene_id: str
    item: str | None


class SceneRead(NamedTuple):
    """The deliveries of a scene, as they were in this version of their order."""

    order_version: int
    deliveries: Sequence[Delivery]


class Catalog(Protocol):
    """Which item lists which delivery; a root of None is the default root. Raises `DatabaseError`."""

    async def unlisted(self, root: str | None) -> Sequence[Unlisted]:
        """Return the scenes below this root whose items lack files, or list files that are gone."""
        ...

    async def entries(self, root: str | None, folder: str) -> Sequence[Entry]:
        """Return the items below this folder of the tree that list files."""
        ...

    async def collections(self, root: str | None) -> Sequence[str]:
        """Return the folders of the collections that have items."""
        ...

    async def mark_listed(self, items: Mapping[str, SceneRead]) -> None:
        """Record what was written: by the path of an item, the deliveries of its scene.

        Stored deliveries become listed, the others not. What changed since it was read stays unlisted.
        """
        ...

    async def unlist_all(self) -> None:
        """Mark every delivery as unlisted, also for an item that is being written now."""
        ...


class CatalogFiles(Protocol):
    """The files of a tree's catalog, by their paths below its root. Raises `DiskError`."""

    async def write(self, documents: Mapping[str, Document]) -> None:
        """Write the documents durably, each whole or not at all, and only over files of the catalog."""
        ...

    async def remove(self, paths: Collection[str]) -> None: ...

    async def other_files(self, known: Collection[str]) -> list[str]:
        """Return the catalog's other files below `stac`."""
        ...
