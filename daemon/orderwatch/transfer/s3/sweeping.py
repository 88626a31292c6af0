"""Aborts the uploads that killed processes left in a bucket."""

from datetime import datetime, timedelta
from http import HTTPStatus

from orderwatch.transfer.s3.bucket import Bucket, Upload
from orderwatch.transfer.s3.errors import S3Error

_STALE_AFTER = timedelta(days=1)  # far longer than the timeout of a part


async def abort_stale_uploads(bucket: Bucket, now: datetime) -> int:
    """Abort uploads that received nothing for a day; return how many.

    Their beginning alone says too little: another host may send a large file for longer than a day.
    """
    before, count = now - _STALE_AFTER, 0
    async for upload in bucket.uploads():
        if upload.begun_at < before and await _received_last(bucket, upload) < before:
            await bucket.abort(upload.path, upload.id)
            count += 1
    return count


async def _received_last(bucket: Bucket, upload: Upload) -> datetime:
    try:
        return max([upload.begun_at, *[at async for at in bucket.arrivals(upload.path, upload.id)]])
    except S3Error as error:
        if error.status == HTTPStatus.NOT_FOUND:  # complete, or aborted meanwhile
            return datetime.max.replace(tzinfo=upload.begun_at.tzinfo)
        raise
