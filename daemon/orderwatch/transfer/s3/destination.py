"""A delivery tree in a bucket: files are downloaded into a spool on this machine, verified, then uploaded."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from orderwatch.core.deliveries.promise import NO_PROMISE, Promise
from orderwatch.core.model import Delivery
from orderwatch.errors import DiskError, LostBytesError, LostLeaseError, NotExtractedError
from orderwatch.ports import (
    Checked,
    Extracted,
    Fetched,
    MayAct,
    Publishable,
    Quarantined,
    always,
    unnoticed,
)
from orderwatch.transfer.fsops import Permissions
from orderwatch.transfer.s3.bucket import Bucket
from orderwatch.transfer.s3.conditions import prove_conditions
from orderwatch.transfer.s3.marker import Marker
from orderwatch.transfer.s3.publish import Publication, is_same
from orderwatch.transfer.s3.sweeping import abort_stale_uploads
from orderwatch.transfer.s3.upload import Sender
from orderwatch.transfer.tree.destination import FilesystemDestination

_MAX_SMALL_UPLOADS = 16  # side by side
_NOT_EXTRACTED = "zips are not extracted in a bucket"


class S3Destination:
    """Final names below the root of the bucket, work in progress in the folder `spool`.

    `has_others` if other hosts write into the bucket too.
    """

    def __init__(
        self,
        bucket: Bucket,
        spool: Path,
        permissions: Permissions,
        *,
        now: Callable[[], datetime],
        sender: Sender,
        has_others: bool = False,
    ) -> None:
        self._bucket = bucket
        self._folder = spool
        self._spool = FilesystemDestination(spool, permissions)
        self._marker = Marker(bucket)
        self._now = now
        self._sender = sender
        self._has_others = has_others
        self._small = asyncio.Semaphore(_MAX_SMALL_UPLOADS)
        self.partials = self._spool.partials
        self.permissions = permissions

    def free(self) -> int:
        return self._spool.free()

    def occupied(self, part: str) -> int:
        return self._spool.occupied(part)

    def device(self) -> int:
        return self._spool.device()

    async def volume(self) -> str | None:
        return await self._marker.read()

    async def mark(self) -> str:
        return await self._marker.write()

    async def prepare(self) -> None:
        """Create the spool, and prove that the store does not overwrite. Raises `UnsafeStoreError`."""
        await self._spool.prepare()
        await self._marker.read()  # while the store is away, nobody waits for it
        await prove_conditions(self._bucket)

    async def close(self) -> None:
        await self._marker.close()

    async def verify(
        self, part: str, delivery: Delivery, fetched: Fetched | None = None, promise: Promise = NO_PROMISE
    ) -> Checked:
        if self._has_others and delivery.intended and not (self.partials / part).exists():
            raise LostBytesError("the verified file is not in this host's spool")
        return await self._spool.verify(part, delivery, fetched, promise)

    async def adopt(self, part: str, delivery: Delivery) -> None:
        """Continue with this host's former partial, unless what is durable may be in another host's spool.

        A verified one is always continued: it is verified again, so one that is not whole is found out.
        """
        if delivery.intended or not self._has_others:
            await self._spool.adopt(part, delivery)
        else:
            await self._spool.remove_former(part)

    def leave(self, part: str) -> None:
        self._spool.leave(part)

    async def publish(
        self,
        part: str,
        path: str,
        sidecar: bytes,
        checked: Checked,
        *,
        resumed: bool = False,
        may_act: MayAct = always,
        on_bytes: Callable[[int], object] = unnoticed,
    ) -> bool:
        source = self.partials / part
        work = Publication(self._bucket, self._sender, source, path, sidecar, checked, may_act, on_bytes)
        try:
            return await work.run(resumed=resumed)
        except DiskError:
            self._marker.forget()  # perhaps the store is away
            raise

    async def publish_all(self, files: Sequence[Publishable], may_act: MayAct = always) -> Sequence[bool]:
        return await asyncio.gather(*(self._publish_small(file, may_act) for file in files))

    async def _publish_small(self, file: Publishable, may_act: MayAct) -> bool:
        async with self._small:
            try:
                return await self.publish(*file, may_act=may_act)
            except (DiskError, LostLeaseError):  # an attempt of its own finds out why
                return False

    async def holds(self, path: str, checked: Checked) -> bool:
        found = await self._bucket.head(path)
        return found is not None and is_same(found, checked)

    async def needed(self, *_: object) -> int:
        raise NotExtractedError(_NOT_EXTRACTED)

    async def extract(self, *_: object) -> Extracted:
        raise NotExtractedError(_NOT_EXTRACTED)

    async def quarantine(self, part: str, reason: str) -> Quarantined:
        found = await self._spool.quarantine(part, reason)
        return found._replace(path=str(self._folder / found.path))

    async def discard(self, *parts: str) -> None:
        await self._spool.discard(*parts)

    async def sweep(self, keep: Collection[str], older: timedelta | None = None) -> int:
        """Remove partials that no row knows, and uploads that received nothing for a day."""
        return await self._spool.sweep(keep, older) + await abort_stale_uploads(self._bucket, self._now())
