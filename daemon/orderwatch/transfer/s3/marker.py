"""The object that identifies a delivery tree; a look at it also finds out whether the store is there."""

import asyncio
import time
import uuid
from collections.abc import Callable

from orderwatch.errors import DiskError
from orderwatch.transfer.s3.bucket import Bucket
from orderwatch.transfer.s3.conditions import FOLDER
from orderwatch.transfer.s3.errors import S3Error, translate_s3_errors
from orderwatch.transfer.zip.decompress import zlib_library

PATH = f"{FOLDER}/volume"

_MAX_MARKER_BYTES = 200
_LOOK_TIMEOUT_SECONDS = 10.0
_VALID_SECONDS, _RETRY_SECONDS = 30.0, 10.0


class Marker:
    """The marker of one tree. It is read at most every half minute: every claim of a delivery looks at it.

    While the store is away, looks at it run in the background, so that other trees do not wait for them.
    """

    def __init__(self, bucket: Bucket, clock: Callable[[], float] = time.monotonic) -> None:
        self._bucket = bucket
        self._clock = clock
        self._due = clock()
        self._looking: asyncio.Task[None] | None = None
        self._found: str | None = None
        self._trouble: str | None = None

    async def read(self) -> str | None:
        """Return the content, None without one. Raises `DiskError`."""
        if self._looking is None and self._clock() >= self._due:
            self._looking = asyncio.create_task(self._look())
        if self._looking is not None and self._trouble is None:
            await asyncio.shield(self._looking)
        if self._trouble is not None:
            raise DiskError(self._trouble)
        return self._found

    async def write(self) -> str:
        """Write the marker unless there is one; return its content."""
        made = f"{uuid.uuid4()}\n".encode()
        await self._bucket.put(PATH, made, zlib_library.crc32(made))
        self.forget()
        found = await self.read()
        if found is None:
            raise S3Error(f"{self._bucket.root / PATH} is not there after it was written")
        return found

    def forget(self) -> None:
        """Look again when it is read next."""
        self._due = self._clock()

    async def close(self) -> None:
        """End a look that runs."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look(self) -> None:
        try:
            with translate_s3_errors(f"cannot read {self._bucket.root / PATH}"):
                async with asyncio.timeout(_LOOK_TIMEOUT_SECONDS):
                    found = await self._bucket.read(PATH, _MAX_MARKER_BYTES)
        except DiskError as error:
            self._trouble = str(error)
            self._due = self._clock() + _RETRY_SECONDS
        else:
            self._found = found[0].decode(errors="replace").strip() or None if found else None
            self._trouble = None
            self._due = self._clock() + _VALID_SECONDS
        finally:
            self._looking = None
