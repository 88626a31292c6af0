"""Proves that a store refuses to overwrite an object if it is asked to."""

import uuid
from contextlib import suppress
from http import HTTPStatus

from orderwatch.errors import UnsafeStoreError
from orderwatch.transfer.s3.bucket import Bucket
from orderwatch.transfer.s3.errors import S3Error
from orderwatch.transfer.zip.decompress import zlib_library

FOLDER = ".orderwatch"
PROBE = f"{FOLDER}/probe-"

_FIRST, _SECOND = b"first\n", b"second\n"


async def prove_conditions(bucket: Bucket) -> None:
    """Write an object twice at once and twice in parts, with `If-None-Match`: the second must be refused.

    This proves it for requests in turn. No test proves it for requests at the same moment.
    """
    path = f"{PROBE}{uuid.uuid4().hex}"
    try:
        if not await _put(bucket, path, _FIRST) or await _put(bucket, path, _SECOND):
            raise _unsafe(bucket, "a PUT")
        await bucket.delete(path)
        bucket.verifies_parts = await _knows_checksums(bucket, path)
        if not await _complete(bucket, path, _FIRST) or await _complete(bucket, path, _SECOND):
            raise _unsafe(bucket, "the completion of an upload")
        found = await bucket.read(path, len(_SECOND))
        if found is None or found[0] != _FIRST:
            raise _unsafe(bucket, "the completion of an upload")
    finally:
        with suppress(S3Error):
            await bucket.delete(path)


async def _knows_checksums(bucket: Bucket, path: str) -> bool:
    """Return whether an upload may have a checksum of the whole object; older stores refuse it."""
    bucket.verifies_parts = True
    try:
        await bucket.abort(path, await bucket.create_upload(path, sha256=""))
    except S3Error as error:
        if error.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_IMPLEMENTED}:
            return False
        raise
    return True


async def _put(bucket: Bucket, path: str, content: bytes) -> bool:
    try:
        return await bucket.put(path, content, zlib_library.crc32(content)) is not None
    except S3Error as error:
        raise _refused(bucket, error, "a PUT") from error


async def _complete(bucket: Bucket, path: str, content: bytes) -> bool:
    crc = zlib_library.crc32(content)
    try:
        upload = await bucket.create_upload(path, sha256="")
        part = await bucket.send_part(path, upload, 1, content, crc)
        async for _ in bucket.arrivals(path, upload):  # maintenance needs this right
            pass
        try:
            await bucket.complete(path, upload, [part], crc)
        except S3Error as error:
            await bucket.abort(path, upload)
            if error.status == HTTPStatus.PRECONDITION_FAILED:
                return False
            raise
    except S3Error as error:
        raise _refused(bucket, error, "the completion of an upload") from error
    return True


def _refused(bucket: Bucket, error: S3Error, what: str) -> S3Error | UnsafeStoreError:
    """Return the error that it means if the store does not know the request."""
    is_unknown = error.status in {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.METHOD_NOT_ALLOWED}
    return _unsafe(bucket, what) if is_unknown else error


def _unsafe(bucket: Bucket, what: str) -> UnsafeStoreError:
    return UnsafeStoreError(
        f"the store of {bucket.root} ignores If-None-Match on {what}: it would overwrite objects; "
        "use another store, docs/s3.md names some"
    )
