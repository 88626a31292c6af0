"""What the application needs of a delivery tree, wherever it is."""

from pathlib import Path
from typing import Protocol

from orderwatch.core.deliveries.delivery_root import DeliveryRoot
from orderwatch.core.model import Delivery
from orderwatch.ports import CatalogFiles, Destination
from orderwatch.ports.tree_audit import TreeAudit
from orderwatch.transfer.fsops import Permissions


class StagedDestination(Destination, Protocol):
    """A destination whose partials are in a folder of this machine."""

    partials: Path
    permissions: Permissions

    def device(self) -> int:
        """Return the device number of the partials, equal for trees on the same file system."""
        ...

    async def close(self) -> None:
        """End what runs in the background."""
        ...


class Tree(Protocol):
    """A delivery tree. `folder` is the one of this machine where its deliveries are downloaded."""

    @property
    def root(self) -> DeliveryRoot: ...

    @property
    def folder(self) -> Path: ...

    @property
    def is_shared(self) -> bool:
        """Whether other hosts write into the folder too."""
        ...

    def destination(self, permissions: Permissions) -> StagedDestination: ...

    def inspector(self, *, is_whole: bool = True) -> TreeAudit:
        """Return what reads files whole; if not `is_whole`, it may trust checksums stored with them."""
        ...

    def catalog_files(self, permissions: Permissions) -> CatalogFiles: ...

    async def picture(self, delivery: Delivery, limit: int) -> bytes | None:
        """Return the bytes of a stored file, None if it cannot be read or is larger than the limit."""
        ...

    async def link(self, delivery: Delivery, method: str) -> str | None:
        """Return a link to a stored file on another machine, for some minutes; None if it is on this one.

        Raises `StoredFileError` if the file is not as it was stored, `DiskError` if that is unknown.
        """
        ...

    async def try_writing(self, permissions: Permissions) -> str:
        """Write and remove something as a delivery would be; return the finding. Raises `DiskError`."""
        ...
