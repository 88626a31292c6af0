"""The catalog of stored files: which of them its items list, its pages, and its files in a tree."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from orderwatch.core.model import Order
from orderwatch.core.stac import Document
from orderwatch.core.stac_pages import Node


class Unlisted(NamedTuple):
    """A scene whose item does not match its files."""

    account: str
    order_id: str
    scene_id: str
    task_id: int | None


class SceneRead(NamedTuple):
    """An order with only the deliveries of one scene and their captures; `item` lists the scene, if any."""

    order: Order
    item: str | None


class Generation(NamedTuple):
    """One catalog, from `begin` until `unlist_all`; `is_first` until its root was written."""

    number: int
    is_first: bool


class Catalog(Protocol):
    """Which item lists which delivery, and which page which item. A root of None is the default root.

    Raises `DatabaseError`. What is recorded for a former generation is dropped, and False returned.
    """

    async def unlisted(self, root: str | None) -> Sequence[Unlisted]:
        """Return the scenes below this root whose items lack files, or list files that are gone."""
        ...

    async def scenes(self, root: str | None, unlisted: Collection[Unlisted]) -> Sequence[SceneRead]:
        """Return the scenes with their deliveries below this root."""
        ...

    async def begin(self, root: str | None) -> Generation:
        """Return the catalog of this root, a new one if there is none."""
        ...

    async def nodes(self, root: str | None, paths: Collection[str]) -> Mapping[str, Node]:
        """Return the recorded nodes by their paths."""
        ...

    async def children(self, root: str | None, pages: Collection[str]) -> Sequence[Node]:
        """Return the nodes whose parents these pages are."""
        ...

    async def next_numbers(self, root: str | None, heads: Collection[str]) -> Mapping[str, int]:
        """Return the next number after each of these heads of numbered nodes."""
        ...

    async def pages_to_write(self, root: str | None) -> Collection[str]:
        """Return the parents of nodes that are not linked as they are."""
        ...

    async def paths(self, root: str | None) -> Collection[str]:
        """Return the paths of all nodes."""
        ...

    async def mark_listed(
        self,
        root: str | None,
        generation: Generation,
        scenes: Mapping[str, SceneRead],
        nodes: Collection[Node],
    ) -> bool:
        """Record which items were written, by their paths, and their nodes.

        Stored deliveries become listed, the others not. What changed since it was read becomes unlisted.
        """
        ...

    async def mark_linked(self, root: str | None, generation: Generation, pages: Collection[Node]) -> bool:
        """Record that these pages were written: their children become linked, or are removed if gone."""
        ...

    async def unlist_all(self) -> None:
        """Forget every catalog, also one that is being written now, so that all scenes are listed again."""
        ...


class CatalogFiles(Protocol):
    """The files of a tree's catalog, by their paths below its root. Raises `DiskError`."""

    async def write(self, documents: Mapping[str, Document]) -> None:
        """Write the documents durably, each whole or not at all, and only over files of the catalog."""
        ...

    async def create(self, documents: Mapping[str, Document]) -> None:
        """Write the documents whose files do not exist."""
        ...

    async def remove(self, paths: Collection[str]) -> None: ...

    async def other_files(self, known: Collection[str]) -> list[str]:
        """Return the catalog's other files below `stac`."""
        ...
