"""Requests to a bucket below the root of a delivery tree, by paths. All raise `S3Error`."""

import base64
import mimetypes
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from orderwatch.core.deliveries.delivery_root import BucketRoot
from orderwatch.core.deliveries.media_types import disposition, media_type
from orderwatch.transfer.s3.errors import S3Error, translate_s3_errors

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_SHA256 = "sha256"  # of the metadata
_CRC_BYTES = 4
_CHUNK_BYTES = 2**20
_JSON, _UNKNOWN = "application/json", "application/octet-stream"


class Found(NamedTuple):
    """What is known of an object without reading it; `sha256` only if the object was stored with one."""

    size: int
    etag: str
    sha256: str | None


class Upload(NamedTuple):
    """An upload in parts that is not complete."""

    path: str
    id: str
    begun_at: datetime


class SentPart(NamedTuple):
    number: int
    etag: str
    crc: int


class Bucket:
    """The objects of one root."""

    def __init__(self, client: "S3Client", root: BucketRoot) -> None:
        self._client = client
        self.root = root
        self.verifies_parts = True  # the store compares the CRC of a whole object with that of its parts

    async def head(self, path: str) -> Found | None:
        """Return what is known of an object, None if there is none."""
        try:
            with translate_s3_errors(f"cannot look for {self.root / path}"):
                found = await self._client.head_object(**self._at(path))
        except S3Error as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        return Found(found["ContentLength"], found["ETag"], found["Metadata"].get(_SHA256))

    async def read(self, path: str, limit: int) -> tuple[bytes, str] | None:
        """Return an object's bytes, at most `limit`, and its ETag; None if there is none."""
        async with self.reading(path) as found:
            if found is None:
                return None
            etag, chunks = found
            content = b""
            async for chunk in chunks:
                content += chunk
                if len(content) >= limit:
                    break
            return content[:limit], etag

    @asynccontextmanager
    async def reading(self, path: str) -> AsyncIterator[tuple[str, AsyncIterator[bytes]] | None]:
        """Open an object; yields its ETag and its bytes in chunks, None if there is none."""
        with translate_s3_errors(f"cannot read {self.root / path}"):
            try:
                found = await self._client.get_object(**self._at(path))
            except self._client.exceptions.NoSuchKey:
                yield None
                return
            async with found["Body"] as body:
                yield found["ETag"], body.iter_chunks(_CHUNK_BYTES)

    async def put(
        self, path: str, content: bytes, crc: int, *, sha256: str | None = None, instead_of: str | None = None
    ) -> str | None:
        """Store a new object, or one in place of the one with this ETag; return its ETag.

        Return None if another object is there.
        """
        condition: dict[str, Any] = {"IfMatch": instead_of} if instead_of else {"IfNoneMatch": "*"}
        try:
            with translate_s3_errors(f"cannot write {self.root / path}"):
                stored = await self._client.put_object(
                    **self._at(path),
                    Body=_Body(content),
                    ContentLength=len(content),
                    ChecksumCRC32=_text(crc),
                    ContentType=content_type(path),
                    Metadata={_SHA256: sha256} if sha256 else {},
                    **condition,
                )
        except S3Error as error:
            if error.status == HTTPStatus.PRECONDITION_FAILED:
                return None
            raise
        return stored["ETag"]

    async def delete(self, path: str, etag: str | None = None) -> bool:
        """Delete an object, if it is there; with an ETag, only this one: False if it is not there."""
        condition: dict[str, Any] = {"IfMatch": etag} if etag else {}
        try:
            with translate_s3_errors(f"cannot delete {self.root / path}"):
                await self._client.delete_object(**self._at(path), **condition)
        except S3Error as error:
            if etag and error.status in {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.NOT_FOUND}:
                return False
            raise
        return True

    async def files(self, folder: str = "") -> AsyncIterator[tuple[str, int]]:
        """Yield the path and size of every object below a folder of the root."""
        with translate_s3_errors(f"cannot list {self.root}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.root.bucket, Prefix=self.root.key(folder)
            )
            async for page in pages:
                for entry in page.get("Contents", ()):
                    yield self.root.path(entry["Key"]), entry["Size"]

    async def uploads(self, folder: str = "") -> AsyncIterator[Upload]:
        """Yield the uploads of all paths that begin so."""
        with translate_s3_errors(f"cannot list the uploads in {self.root}"):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.root.bucket, Prefix=self.root.key(folder)
            )
            async for page in pages:
                for entry in page.get("Uploads", ()):
                    yield Upload(self.root.path(entry["Key"]), entry["UploadId"], entry["Initiated"])

    async def arrivals(self, path: str, upload: str) -> AsyncIterator[datetime]:
        """Yield when each part of an upload arrived."""
        with translate_s3_errors(f"cannot list the parts of an upload of {self.root / path}"):
            pages = self._client.get_paginator("list_parts").paginate(**self._at(path), UploadId=upload)
            async for page in pages:
                for part in page.get("Parts", ()):
                    yield part["LastModified"]

    async def create_upload(self, path: str, sha256: str) -> str:
        """Begin an upload in parts; returns its id."""
        with translate_s3_errors(f"cannot upload {self.root / path}"):
            begun = await self._client.create_multipart_upload(
                **self._at(path),
                **self._crc(ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"),
                ContentType=content_type(path),
                Metadata={_SHA256: sha256},
            )
        return begun["UploadId"]

    async def send_part(self, path: str, upload: str, number: int, content: bytes, crc: int) -> SentPart:
        with translate_s3_errors(f"cannot upload {self.root / path}"):
            sent = await self._client.upload_part(
                **self._at(path),
                UploadId=upload,
                PartNumber=number,
                Body=_Body(content),
                ContentLength=len(content),
                **self._crc(ChecksumCRC32=_text(crc)),
            )
        return SentPart(number, sent["ETag"], crc)

    async def complete(self, path: str, upload: str, parts: Sequence[SentPart], crc: int) -> None:
        """Make the object of its parts, unless one is there; `crc` is that of the whole object."""
        sent: Any = [
            {"PartNumber": part.number, "ETag": part.etag, **self._crc(ChecksumCRC32=_text(part.crc))}
            for part in parts
        ]
        with translate_s3_errors(f"cannot complete the upload of {self.root / path}"):
            await self._client.complete_multipart_upload(
                **self._at(path),
                UploadId=upload,
                MultipartUpload={"Parts": sent},
                **self._crc(ChecksumCRC32=_text(crc), ChecksumType="FULL_OBJECT"),
                IfNoneMatch="*",
            )

    async def abort(self, path: str, upload: str) -> None:
        """Abort an upload, if it still exists."""
        try:
            with translate_s3_errors(f"cannot abort an upload of {self.root / path}"):
                await self._client.abort_multipart_upload(**self._at(path), UploadId=upload)
        except S3Error as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def _crc(self, **arguments: str) -> Any:  # noqa: ANN401 - see `_at`
        return arguments if self.verifies_parts else {}

    async def link(self, path: str, method: str, seconds: int) -> str:
        """Return a link that reads an object without credentials for some time: a secret."""
        shown = {"ResponseContentType": media_type(path), "ResponseContentDisposition": disposition(path)}
        with translate_s3_errors(f"cannot make a link to {self.root / path}"):
            link: str = await self._client.generate_presigned_url(
                "head_object" if method == "HEAD" else "get_object",
                Params=self._at(path) | ({} if method == "HEAD" else shown),
                ExpiresIn=seconds,
            )
        return link

    def _at(self, path: str) -> Any:  # noqa: ANN401 - arguments of any request
        return {"Bucket": self.root.bucket, "Key": self.root.key(path)}


class _Body(BytesIO):
    """Bytes to send. `getbuffer`, by which aiohttp learns their number, would copy them."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._content = content

    def getbuffer(self) -> memoryview:
        return memoryview(self._content)


def content_type(path: str) -> str:
    """Return the type under which browsers and other programs receive the object."""
    return mimetypes.guess_type(path, strict=False)[0] or (_JSON if path.endswith(".json") else _UNKNOWN)


def _text(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(_CRC_BYTES, "big")).decode()
