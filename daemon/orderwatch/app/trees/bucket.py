"""A delivery tree in a bucket of S3. The only module that imports its library, when a bucket is used."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from orderwatch import config
from orderwatch.core.deliveries.delivery_root import BucketRoot
from orderwatch.core.model import Delivery
from orderwatch.core.network import Network
from orderwatch.errors import DiskError, StoredFileError
from orderwatch.service.clock import utc_now
from orderwatch.transfer.fsops import Permissions
from orderwatch.transfer.s3.bucket import Bucket
from orderwatch.transfer.s3.catalog_files import S3CatalogFiles
from orderwatch.transfer.s3.client import Access, open_buckets
from orderwatch.transfer.s3.conditions import prove_conditions
from orderwatch.transfer.s3.destination import S3Destination
from orderwatch.transfer.s3.inspector import S3Inspector
from orderwatch.transfer.s3.upload import Sender
from orderwatch.transfer.write_probe import try_writing

_LINK_SECONDS = 300  # in which a download must begin


class ObjectStore:
    """The connection to the store of all buckets, and what limits the memory of all uploads."""

    def __init__(self, bucket: Callable[[BucketRoot], Bucket]) -> None:
        self._bucket = bucket
        self._sender = Sender()

    def tree(self, root: BucketRoot, spool: Path, *, has_others: bool) -> "BucketTree":
        """Return a tree, into which other hosts may write too; the spool is only this host's."""
        return BucketTree(self._bucket(root), spool, self._sender, has_others=has_others)


class BucketTree:
    """`folder` is the spool, which belongs to this host alone."""

    is_shared = False

    def __init__(self, bucket: Bucket, spool: Path, sender: Sender, *, has_others: bool) -> None:
        self.root = bucket.root
        self.folder = spool
        self._bucket = bucket
        self._sender = sender
        self._has_others = has_others

    def destination(self, permissions: Permissions) -> S3Destination:
        return S3Destination(
            self._bucket,
            self.folder,
            permissions,
            now=utc_now,
            sender=self._sender,
            has_others=self._has_others,
        )

    def inspector(self, *, is_whole: bool = True) -> S3Inspector:
        return S3Inspector(self._bucket, self.folder, is_whole=is_whole)

    def catalog_files(self, permissions: Permissions) -> S3CatalogFiles:
        del permissions  # objects have none
        return S3CatalogFiles(self._bucket)

    async def picture(self, delivery: Delivery, limit: int) -> bytes | None:
        try:
            found = await self._bucket.read(delivery.path or "", limit + 1)
        except DiskError:
            return None
        return found[0] if found and len(found[0]) <= limit else None

    async def link(self, delivery: Delivery, method: str) -> str | None:
        path = delivery.path or ""
        found = await self._bucket.head(path)
        if found is None:
            raise StoredFileError("the file is gone")
        if found.size != delivery.size or found.sha256 not in {None, delivery.sha256}:
            raise StoredFileError("the file is not the one that was stored")
        return await self._bucket.link(path, method, seconds=_LINK_SECONDS)

    async def try_writing(self, permissions: Permissions) -> str:
        spool = await asyncio.to_thread(try_writing, self.folder, permissions)
        await prove_conditions(self._bucket)
        return f"writable, and overwrites nothing; the spool {self.folder}: {spool}"


@asynccontextmanager
async def open_object_store(settings: config.S3, network: Network) -> AsyncIterator[ObjectStore]:
    access = Access(
        endpoint=settings.endpoint,
        region=settings.region,
        access_key_id=config.current(settings.access_key_id),
        secret_access_key=config.current(settings.secret_access_key),
    )
    async with open_buckets(access, network) as bucket:
        yield ObjectStore(bucket)
