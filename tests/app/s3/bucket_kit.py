"""A user's machine whose delivery tree is in a bucket."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.app.app_rig import Rig
from tests.object_store import Server

from orderwatch.core.deliveries.delivery_root import BucketRoot
from orderwatch.transfer.s3.bucket import Bucket
from orderwatch.transfer.s3.client import open_buckets

EVERYTHING = 'task_name = "*"'


@dataclass
class Home:
    rig: Rig
    server: Server
    root: BucketRoot = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.server.new_root()

    def configure(
        self, watch: str = EVERYTHING, *, delivery: str = "", more: str = "", endpoint: str = ""
    ) -> None:
        """Write the configuration; the store is behind another `endpoint` if there is one."""
        table = self.server.settings.replace(self.server.endpoint, endpoint or self.server.endpoint)
        self.rig.configure(watch, delivery=delivery, more=f"{table}{more}", root=str(self.root))

    @property
    def spool(self) -> Path:
        return Path(self.rig.database).parent / "spool" / self.root.name / ".orderwatch"

    @asynccontextmanager
    async def bucket(self) -> AsyncIterator[Bucket]:
        async with open_buckets(self.server.access) as bucket:
            yield bucket(self.root)

    async def objects(self) -> dict[str, bytes]:
        """Every object but the daemon's own, by path."""
        found = {}
        async with self.bucket() as bucket:
            async for path, _ in bucket.files():
                if not path.startswith(".orderwatch/") and (read := await bucket.read(path, 2**30)):
                    found[path] = read[0]
        return found

    async def assert_whole(self) -> None:
        """Every delivery is in the bucket as the provider has it, with its sidecar, and nothing else is."""
        deliveries = await self.rig.deliveries()
        objects = await self.objects()
        assert {d["scene_id"]: _sha256(objects[d["path"]]) for d in deliveries} == await self.rig.truth()
        paths = {d["path"] for d in deliveries}
        assert set(objects) == paths | {f"{path}.json" for path in paths}
        async with self.bucket() as bucket:
            assert [upload async for upload in bucket.uploads()] == []
        assert list((self.spool / "partial").iterdir()) == []

    async def forget_everything(self) -> None:
        """Empty the bucket, the spool and the database."""
        async with self.bucket() as bucket:
            for path in [path async for path, _ in bucket.files()]:
                await bucket.delete(path)
        for path in (p for p in self.rig.database.parent.rglob("*") if p.is_file()):
            path.unlink()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
