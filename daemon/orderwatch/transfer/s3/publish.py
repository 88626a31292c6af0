"""Gives verified bytes their key in a bucket: once, never over another object.

The order of the steps is the crash protocol of docs/s3.md: whatever of them a killed process has done, the
next attempt adopts or repeats it.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path

from orderwatch.core.deliveries.audit import sidecar_of
from orderwatch.core.deliveries.sidecar import identity
from orderwatch.errors import LostBytesError, LostLeaseError
from orderwatch.ports import Checked, MayAct
from orderwatch.transfer.s3.bucket import Bucket, Found
from orderwatch.transfer.s3.errors import S3Error
from orderwatch.transfer.s3.upload import PART_BYTES, Reader, Sender
from orderwatch.transfer.zip.decompress import zlib_library

MAX_SIDECAR_BYTES = 16 * 2**20  # a longer object is not a sidecar

_MAX_ROUNDS = 4
_IS_ABORTED = frozenset({HTTPStatus.NOT_FOUND})  # the upload, by another attempt
_IS_LOST = _IS_ABORTED | {HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED}  # a race with another request


class _NameTakenError(Exception):
    """Another file has the name."""


class _UndecidedError(Exception):
    """Only a look can show whether the object is there."""


@dataclass(slots=True)
class Publication:
    """One file on its way to its path."""

    bucket: Bucket
    sender: Sender
    part: Path
    path: str
    sidecar: bytes
    checked: Checked
    may_act: MayAct
    on_bytes: Callable[[int], object]
    _is_described: bool = field(default=False, init=False)
    _created: str | None = field(default=None, init=False)  # the ETag of a sidecar that was not there before

    async def run(self, *, resumed: bool) -> bool:
        """Publish; returns False if another file has the name."""
        try:
            await self._run(resumed=resumed)
        except _NameTakenError:
            if self._created:
                self._require_lease()
                await self.bucket.delete(sidecar_of(self.path), self._created)
            return False
        return True

    async def _run(self, *, resumed: bool) -> None:
        is_small = self.checked.size <= PART_BYTES
        may_be_there = resumed or not is_small
        for _ in range(_MAX_ROUNDS):
            if may_be_there and await self._is_there():
                return
            if not self.part.exists():
                raise LostBytesError("the verified partial is missing")
            try:
                await (self._put() if is_small else self._upload())
            except _UndecidedError:
                pass
            else:
                if is_small:
                    return
            may_be_there = True
        if not await self._is_there():
            raise S3Error(f"{self.bucket.root / self.path} is not there after {_MAX_ROUNDS} uploads")

    async def _is_there(self) -> bool:
        """Return whether the same bytes have the name, and a sidecar; `_NameTakenError` if others have it."""
        found = await self.bucket.head(self.path)
        if found is None:
            return False
        if not is_same(found, self.checked):
            raise _NameTakenError
        await self._describe()
        return True

    async def _put(self) -> None:
        reader = Reader(self.part)
        async with self.sender.reading(reader, self.checked.size) as (content, crc):
            reader.require(self.checked)
            await self._describe()
            self._require_lease()
            with _undecided():
                if not await self.bucket.put(self.path, content, crc, sha256=self.checked.sha256):
                    raise _UndecidedError
        self.on_bytes(self.checked.size)

    async def _upload(self) -> None:
        """Upload in parts. Uploads of the same key are of attempts that are over, or are fenced by it."""
        await self._require_own_sidecar()
        self._require_lease()
        async for other in self.bucket.uploads(self.path):
            if other.path == self.path:
                await self.bucket.abort(self.path, other.id)
        upload = await self.bucket.create_upload(self.path, self.checked.sha256)
        try:
            reader = Reader(self.part)
            with _undecided(_IS_ABORTED):
                parts = await self.sender.send(
                    partial(self.bucket.send_part, self.path, upload),
                    reader,
                    self.checked.size,
                    self.on_bytes,
                )
            reader.require(self.checked)
            await self._describe()
            self._require_lease()
            with _undecided():
                await self.bucket.complete(self.path, upload, parts, reader.crc)
        except Exception:
            with suppress(S3Error):  # the next attempt aborts it
                await self.bucket.abort(self.path, upload)
            raise

    async def _describe(self) -> None:
        """Write the sidecar, or replace one that an earlier attempt at the same delivery has written."""
        if self._is_described:
            return
        self._require_lease()
        path, crc = sidecar_of(self.path), zlib_library.crc32(self.sidecar)
        self._created = await self.bucket.put(path, self.sidecar, crc)
        if self._created is None:
            etag = await self._require_own_sidecar()
            if etag is None or not await self.bucket.put(path, self.sidecar, crc, instead_of=etag):
                raise S3Error(f"{self.bucket.root / path} was changed meanwhile")
        self._is_described = True

    def _require_lease(self) -> None:
        if not self.may_act():
            raise LostLeaseError("this host's lease is over")

    async def _require_own_sidecar(self) -> str | None:
        """Return the ETag of the sidecar that is there, None without one; it must be of the same delivery."""
        found = await self.bucket.read(sidecar_of(self.path), MAX_SIDECAR_BYTES)
        if found is None:
            return None
        content, etag = found
        if identity(content) is None or identity(content) != identity(self.sidecar):
            raise _NameTakenError
        return etag


@contextmanager
def _undecided(statuses: Collection[int] = _IS_LOST) -> Iterator[None]:
    """Raise `_UndecidedError` after an answer with one of these statuses, and if a last request got none."""
    try:
        yield
    except S3Error as error:
        if error.code == "NoSuchBucket" or not (
            error.status in statuses or (error.is_of_store and statuses is _IS_LOST)
        ):
            raise
        raise _UndecidedError from error


def is_same(found: Found, checked: Checked) -> bool:
    """Return whether an object was stored with exactly these bytes."""
    return (found.size, found.sha256) == (checked.size, checked.sha256)
