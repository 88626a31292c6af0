"""Where the hosts of a test deliver to; what stands there is read without orderwatch."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from tests.app.app_rig import sha256
from tests.object_store import Server

from orderwatch.transfer.s3.client import open_buckets
from orderwatch.transfer.s3.sweeping import abort_stale_uploads


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


class BucketTree:
    """A prefix in a bucket; each host has a spool."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._bucket_root = server.new_root()
        self.root = str(self._bucket_root)
        self.settings = server.settings

    async def digests(self) -> Mapping[str, str]:
        found = {}
        async with open_buckets(self._server.access) as bucket:
            root = bucket(self._bucket_root)
            paths = [path async for path, _ in root.files() if path.endswith(".zip")]
            for path in paths:
                read = await root.read(path, 2**30)
                assert read is not None
                found[path] = hashlib.sha256(read[0]).hexdigest()
        return found

    async def uploads_after_the_sweep(self) -> int:
        async with open_buckets(self._server.access) as bucket:
            root = bucket(self._bucket_root)
            await abort_stale_uploads(root, datetime.now(UTC) + timedelta(days=2))
            return len([upload async for upload in root.uploads()])
