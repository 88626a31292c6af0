"""The catalogue of what is stored: what rows say of it, and its files."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from orderwatch.core.model import Delivery, Order
from orderwatch.core.stac import Document, Entry


class Unlisted(NamedTuple):
    """A scene whose item is not as its files are; `item` is its path, None where there is none."""

    account: str
    task_id: int
    scene_id: str
    item: str | None


class SceneRead(NamedTuple):
    """The deliveries of a scene, as they were in this version of their order."""

    order_version: int
    deliveries: Sequence[Delivery]


class CatalogRows(Protocol):
    """The rows; a root of None is the delivery root."""

    async def orders_of(self, account: str, task_ids: Collection[int]) -> dict[int, Order]: ...

    async def unlisted(self, root: str | None) -> Sequence[Unlisted]:
        """Scenes with files below this root that their items lack, or have too much."""
        ...

    async def entries(self, root: str | None, folder: str) -> Sequence[Entry]:
        """The items below this folder of the tree that list files."""
        ...

    async def collections(self, root: str | None) -> Sequence[str]:
        """The folders of the collections that have items."""
        ...

    async def list_in(self, items: Mapping[str, SceneRead]) -> None:
        """By the path of an item the deliveries of its scene: those stored are listed, the others are not.

        What moved since it was read, or was to be listed anew, stays unlisted.
        """
        ...


class CatalogFiles(Protocol):
    """The files of a tree's catalogue, by their paths below its root. Raises `DiskError`."""

    async def write(self, documents: Mapping[str, Document]) -> None:
        """Durable, each whole or not at all, and never over a file that is not the catalogue's."""
        ...

    async def remove(self, paths: Collection[str]) -> None: ...

    async def besides(self, known: Collection[str]) -> list[str]:
        """Every other file below `stac` that is the catalogue's."""
        ...
