"""What the tests of a bucket share: partials in the spool, and another program's look at the store."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from orderwatch.ports import Checked
from orderwatch.transfer.fsops import DEFAULT_PERMISSIONS
from orderwatch.transfer.s3.bucket import Bucket
from orderwatch.transfer.s3.destination import S3Destination
from orderwatch.transfer.s3.upload import PART_BYTES, Sender

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

PATH = "Harbour/7/scene.zip"
SIDECAR = b'{"account": "main", "order": "7", "capture": "c", "scene": "s", "attachment": "z", "version": 1}'
OTHERS_SIDECAR = SIDECAR.replace(b'"s"', b'"t"')
LARGE = PART_BYTES + 1000  # two parts


@dataclass
class Rig:
    bucket: Bucket
    spool: Path
    now: list[datetime]
    destination: S3Destination = field(init=False)

    def __post_init__(self) -> None:
        self.destination = S3Destination(
            self.bucket, self.spool, DEFAULT_PERMISSIONS, now=lambda: self.now[0], sender=Sender()
        )

    @property
    def client(self) -> "S3Client":
        return self.bucket._client

    def partial(self, size: int, part: str = "a.part") -> tuple[str, Checked]:
        """Write a verified partial."""
        content = content_of(size)
        (self.destination.partials / part).write_bytes(content)
        return part, Checked(size=size, sha256=hashlib.sha256(content).hexdigest())

    async def publish(self, size: int, *, resumed: bool = False, sidecar: bytes = SIDECAR) -> bool:
        part, checked = self.partial(size)
        return await self.destination.publish(part, PATH, sidecar, checked, resumed=resumed)

    async def content(self, path: str) -> bytes | None:
        found = await self.bucket.read(path, 2**30)
        return None if found is None else found[0]

    async def put(self, path: str, content: bytes) -> None:
        """Store an object as another program would."""
        await self.client.put_object(
            Bucket=self.bucket.root.bucket, Key=self.bucket.root.key(path), Body=content
        )

    async def paths(self) -> set[str]:
        """Every object but the daemon's own."""
        found = {path async for path, _ in self.bucket.files()}
        return {path for path in found if not path.startswith(".orderwatch/")}

    async def uploads(self) -> int:
        return len([upload async for upload in self.bucket.uploads()])


def content_of(size: int) -> bytes:
    return hashlib.shake_128(b"of a scene").digest(size)
