"""Inspects a delivery tree in a bucket for verify, repair and scrub."""

import asyncio
import hashlib
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath

from orderwatch.core.deliveries.audit import Reading
from orderwatch.core.formatting import format_bytes_pair
from orderwatch.errors import DiskError
from orderwatch.ports.tree_audit import WalkResult
from orderwatch.transfer.fsops import free_space, make_folders, translate_os_errors
from orderwatch.transfer.s3.bucket import Bucket
from orderwatch.transfer.s3.conditions import FOLDER
from orderwatch.transfer.s3.errors import S3Error
from orderwatch.transfer.s3.publish import MAX_SIDECAR_BYTES
from orderwatch.transfer.tree.inspector import TreeInspector
from orderwatch.transfer.zip.decompress import zlib_library

_INTO = f"{FOLDER}/fetched"  # of the spool


class S3Inspector:
    """One delivery tree. With `is_whole` it reads objects, else it compares the checksum stored with them.

    An error that concerns one object is its `trouble`; `DiskError` is raised if the store does not answer.
    """

    def __init__(self, bucket: Bucket, spool: Path, *, is_whole: bool = True) -> None:
        self._bucket = bucket
        self._spool = spool
        self._local = TreeInspector(spool)
        self._is_whole = is_whole

    async def absence(self) -> str | None:
        async for _ in self._bucket.files():
            return None
        return "there is no object below this prefix; the daemon writes one when it starts"

    async def read(self, path: str, size: int | None, on_bytes: Callable[[int], None]) -> Reading:
        try:
            found = await self._bucket.head(path)
            if found is None:
                return Reading()
            if found.size != size:
                return Reading(size=found.size)
            if found.sha256 and not self._is_whole:
                return Reading(size=size, sha256=found.sha256)
            return await self._read_whole(path, on_bytes)
        except S3Error as error:
            if error.is_of_store:
                raise
            return Reading(trouble=str(error))

    async def _read_whole(self, path: str, on_bytes: Callable[[int], None]) -> Reading:
        size, sha256 = 0, hashlib.sha256()
        async with self._bucket.reading(path) as found:
            if found is None:
                return Reading()
            async for chunk in found[1]:
                await asyncio.to_thread(sha256.update, chunk)
                size += len(chunk)
                on_bytes(len(chunk))
        return Reading(size=size, sha256=sha256.hexdigest())

    async def read_sidecar(self, path: str) -> tuple[bytes | None, str | None]:
        try:
            found = await self._bucket.read(path, MAX_SIDECAR_BYTES)
        except S3Error as error:
            if error.is_of_store:
                raise
            return None, str(error)
        return (found[0] if found else None), None

    async def walk(self, exclude: Collection[str]) -> WalkResult:
        others = tuple(f"{folder}/" for folder in (FOLDER, *exclude))
        walked = WalkResult()
        async for path, size in self._bucket.files():
            if not path.startswith(others):
                walked.files[path] = size
        return walked

    async def quarantine(self, path: str, reason: str) -> None:
        """Move the object into quarantine in the spool on this machine."""
        found = await self._bucket.head(path)
        if found is None:
            return
        await self._fetch(path, found.size)
        copy = f"{_INTO}/{PurePosixPath(path).name}"
        await self._local.quarantine(copy, f"{reason}\nwas {self._bucket.root / path}")
        if await self._bucket.head(path) != found or not await self._bucket.delete(path, found.etag):
            raise DiskError(f"{self._bucket.root / path} was changed meanwhile: verify again")

    async def write_sidecar(self, path: str, content: bytes, temporary: str) -> None:
        del temporary  # an object is complete, or not there
        if not await self._bucket.put(path, content, zlib_library.crc32(content)):
            raise DiskError(f"{self._bucket.root / path} was written meanwhile: verify again")

    async def remove_partial(self, part: str) -> None:
        await self._local.remove_partial(part)

    async def _fetch(self, path: str, size: int) -> None:
        """Copy an object into the spool. Raises `DiskError` if there is no space for it."""
        target = self._spool / _INTO / PurePosixPath(path).name
        with translate_os_errors(f"cannot quarantine {path}"):
            await asyncio.to_thread(make_folders, target.parent)
            free = free_space(target.parent)
            if size > free:
                needed, left = format_bytes_pair(size, free)
                raise DiskError(f"no space in {target.parent}: {needed} needed, {left} free")
            with target.open("wb") as file:
                async with self._bucket.reading(path) as found:
                    if found is None:
                        raise DiskError(f"{self._bucket.root / path} was removed meanwhile: verify again")
                    async for chunk in found[1]:
                        await asyncio.to_thread(file.write, chunk)
