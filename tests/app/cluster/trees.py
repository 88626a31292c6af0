"""Where the hosts of a test deliver to; what stands there is read without orderwatch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tests.app.app_rig import sha256


class Tree(Protocol):
    """`root` is the setting `delivery.root`."""

    root: str

    async def digests(self) -> Mapping[str, str]:
        """The sha256 of each zip under a final name, by its path below the root."""
        ...


class FolderTree:
    """A folder that all hosts share."""

    def __init__(self, folder: Path) -> None:
        self.root = str(folder)
        self._folder = folder

    async def digests(self) -> Mapping[str, str]:
        hidden = self._folder / ".orderwatch"
        return {
            str(path.relative_to(self._folder)): sha256(path)
            for path in self._folder.rglob("*.zip")
            if hidden not in path.parents
        }
