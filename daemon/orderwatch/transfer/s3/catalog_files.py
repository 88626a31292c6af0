"""Writes the catalog's objects in a bucket, each whole or not at all."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import TypeVar

import orjson

from orderwatch.core.deliveries.audit import sidecar_of
from orderwatch.core.deliveries.paths import is_catalog
from orderwatch.core.stac import MARK, Document
from orderwatch.errors import DiskError
from orderwatch.transfer.s3.bucket import Bucket
from orderwatch.transfer.zip.decompress import zlib_library

T = TypeVar("T")

_MAX_REQUESTS = 16  # side by side
_MAX_PAGE_BYTES = 64 * 2**20


class S3CatalogFiles:
    """The catalog of one tree. Raises `DiskError` if the store fails or a foreign object is in the way."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def write(self, documents: Mapping[str, Document]) -> None:
        await _for_each(documents.items(), lambda item: self._write(*item))

    async def create(self, documents: Mapping[str, Document]) -> None:
        """Write the documents whose objects do not exist."""
        await _for_each(documents.items(), lambda item: self._put(item[0], _bytes(item[1])))

    async def remove(self, paths: Collection[str]) -> None:
        """Remove these catalog objects; other objects at these paths stay."""
        await _for_each(paths, self._remove)

    async def other_files(self, known: Collection[str]) -> list[str]:
        paths = [path async for path, _ in self._bucket.files("stac/")]
        others = [path for path in paths if is_catalog(path) and path not in known]
        return [path for path in others if await self._own(path) is not None]

    async def _write(self, path: str, document: Document) -> None:
        content = _bytes(document)
        if await self._put(path, content):
            return
        etag = await self._own(path)
        if etag is None or not await self._put(path, content, instead_of=etag):
            raise DiskError(
                f"cannot write the catalog: {self._bucket.root / path} is not a catalog file; "
                "move it away, or set stac = false"
            )

    async def _put(self, path: str, content: bytes, instead_of: str | None = None) -> bool:
        stored = await self._bucket.put(path, content, zlib_library.crc32(content), instead_of=instead_of)
        return stored is not None

    async def _remove(self, path: str) -> None:
        if etag := await self._own(path):
            await self._bucket.delete(path, etag)

    async def _own(self, path: str) -> str | None:
        """Return the ETag of an object that the catalog has written; a delivery never counts."""
        found = await self._bucket.read(path, _MAX_PAGE_BYTES)
        if found is None or await self._bucket.head(sidecar_of(path)) is not None:
            return None
        try:
            document: object = orjson.loads(found[0])
        except ValueError:
            return None
        return found[1] if isinstance(document, dict) and MARK in document else None


def _bytes(document: Document) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


async def _for_each(items: Iterable[T], work: Callable[[T], Awaitable[object]]) -> None:
    """Do the work side by side; the first error ends it."""
    room = asyncio.Semaphore(_MAX_REQUESTS)

    async def do(item: T) -> None:
        async with room:
            await work(item)

    try:
        async with asyncio.TaskGroup() as tasks:
            for item in items:
                tasks.create_task(do(item))
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
