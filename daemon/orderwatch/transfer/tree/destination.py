"""The delivery tree on a local file system, with its staging folder inside."""

import asyncio
import errno
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from orderwatch.cancellation import shielded
from orderwatch.core.deliveries.paths import folder_beside
from orderwatch.core.model import Delivery
from orderwatch.errors import DiskError, LostBytesError
from orderwatch.fsync import sync
from orderwatch.ports import Checked, Extracted
from orderwatch.transfer.fsops import (
    DEFAULT_PERMISSIONS,
    Permissions,
    free_space,
    give_name,
    make_folders,
    translated,
    write_durable,
)
from orderwatch.transfer.partial_file import control_of, forget
from orderwatch.transfer.tree.publish import holds, publish
from orderwatch.transfer.zip.extract import extract, needed
from orderwatch.transfer.zip.verify import check, digest

R = TypeVar("R")

_THREADS = 16  # of its own: names that nobody resolves hold those that asyncio has
_UNIT = 512  # bytes of what `st_blocks` counts


class FilesystemDestination:
    """Final names below `root`, work in progress below `root/.orderwatch`."""

    def __init__(self, root: Path, permissions: Permissions = DEFAULT_PERMISSIONS) -> None:
        self._root = root
        self.permissions = permissions
        self._staging = root / ".orderwatch"
        self.partials = self._staging / "partial"
        self._quarantine = self._staging / "quarantine"
        self._extracting = self._staging / "extract"
        self._marker = self._staging / "volume"
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="destination")

    def free(self) -> int:
        return free_space(self.partials)

    def occupied(self, part: str) -> int:
        """Bytes of the disk that the partial has already; 0 where there is none."""
        with translated("the partial cannot be looked at"):
            try:
                return (self.partials / part).stat().st_blocks * _UNIT
            except FileNotFoundError:
                return 0

    def device(self) -> int:
        """Equal for trees that share their space."""
        with translated("the destination cannot be asked for its device"):
            return self.partials.stat().st_dev

    async def volume(self) -> str | None:
        """What the marker of the tree says, None where there is none; `DiskError` where it is read-only."""
        return await self._in_thread("the destination cannot be used", self._volume)

    async def prepare(self) -> None:
        await self._in_thread("the destination cannot be prepared", self._prepare)

    async def mark(self) -> str:
        """Mark the tree, unless it is marked, so that it is known again; returns what the marker says."""
        return await self._in_thread("the destination cannot be marked", self._mark)

    async def verify(self, part: str, delivery: Delivery, sha256: str | None = None) -> Checked:
        stop = threading.Event()
        work = self._in_thread(
            "the partial cannot be read", self._verify, part, delivery.attachment, sha256, stop, stop=stop
        )
        return await work

    async def publish(
        self, part: str, path: str, sidecar: bytes, checked: Checked, *, resumed: bool = False
    ) -> bool:
        final = self._root / path
        if not final.is_relative_to(self._root) or ".." in final.parts:
            raise ValueError(f"{path} leads out of the delivery root")
        work = partial(
            self._publish,
            self.partials / part,
            final,
            sidecar,
            size=checked.size,
            sha256=checked.sha256,
            resumed=resumed,
            permissions=self.permissions,
        )
        return await self._in_thread("the file cannot be published", work)

    async def holds(self, path: str, checked: Checked) -> bool:
        return await self._in_thread(
            "the file cannot be read", holds, self._root / path, checked.size, checked.sha256
        )

    async def needed(self, part: str, path: str) -> int:
        stop = threading.Event()
        work = self._in_thread("the zip cannot be read", self._needed, part, path, stop, stop=stop)
        return await work

    async def extract(self, part: str, path: str, wrote: Callable[[int], object]) -> Extracted:
        stop = threading.Event()
        work = self._in_thread(
            "the zip cannot be extracted", self._extract, part, path, wrote, stop, stop=stop
        )
        return await work

    async def quarantine(self, part: str, reason: str) -> str:
        return await self._in_thread("the partial cannot be set aside", self._set_aside, part, reason)

    async def discard(self, part: str) -> None:
        await self._in_thread("the partial cannot be removed", self._discard, part)

    async def sweep(self, keep: Collection[str], older: timedelta | None = None) -> int:
        """Remove partials that no row knows, and what is half extracted; returns how many.

        While work goes on only partials that were not touched for so long (`older`).
        """
        return await self._in_thread("the staging folder cannot be swept", self._sweep, keep, older)

    def _volume(self) -> str | None:
        try:
            found = self._marker.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if os.statvfs(self._marker).f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return found.decode(errors="replace").strip() or None

    def _mark(self) -> str:
        if (found := self._volume()) is not None:
            return found
        made, aside = str(uuid.uuid4()), self._marker.with_suffix(".new")
        write_durable(aside, f"{made}\n".encode())
        aside.replace(self._marker)
        sync(self._staging)
        return made

    def _prepare(self) -> None:
        make_folders(self._root, self.permissions)
        for folder in (self.partials, self._quarantine):
            make_folders(folder)
        self._staging.chmod(0o700)
        probe, named = self.partials / ".probe", self._staging / ".probe"
        named.unlink(missing_ok=True)
        write_durable(probe, b"", self.permissions)
        give_name(probe, named)
        named.unlink()
        probe.unlink(missing_ok=True)

    def _publish(self, part: Path, final: Path, *args: Any, **more: Any) -> bool:  # noqa: ANN401 - as `publish` has them
        """A link that stands where a folder should be is not followed out of the tree."""
        if not final.parent.resolve().is_relative_to(self._root.resolve()):
            raise DiskError(f"a folder on the way to {final} is a link that leads out of the delivery root")
        return publish(part, final, *args, **more)

    def _verify(self, part: str, attachment: str, sha256: str | None, stop: threading.Event) -> Checked:
        path = self.partials / part
        with translated("the partial cannot be made durable", LostBytesError):
            sync(path)
        sha256 = sha256 or digest(path, stop)
        check(path, attachment, stop)
        return Checked(size=path.stat().st_size, sha256=sha256)

    def _needed(self, part: str, path: str, stop: threading.Event) -> int:
        return needed(self._source(part, path), self._root / folder_beside(path), stop)

    def _extract(
        self, part: str, path: str, wrote: Callable[[int], object], stop: threading.Event
    ) -> Extracted:
        work, wanted = self._extracting / Path(part).stem, self._root / folder_beside(path)
        source = self._source(part, path)
        final, files = extract(source, work, wanted, wrote, stop, permissions=self.permissions)
        return Extracted(str(final.relative_to(self._root)), files)

    def _source(self, part: str, path: str) -> Path:
        """The partial, which is there until the end: a reader may have moved the file under its name."""
        for source in (self.partials / part, self._root / path):
            if source.is_file():
                return source
        raise LostBytesError("the verified partial is gone")

    def _set_aside(self, part: str, reason: str) -> str:
        path = self.partials / part
        sha256 = digest(path)
        write_durable(self._quarantine / f"{part}.reason.txt", f"{reason}\nsha256 {sha256}\n".encode())
        control_of(path).unlink(missing_ok=True)  # before another partial of this name may believe it
        path.replace(self._quarantine / part)
        return sha256

    def _discard(self, part: str) -> None:
        forget(self.partials / part)

    def _sweep(self, keep: Collection[str], older: timedelta | None) -> int:
        kept = {*keep, *(control_of(self.partials / part).name for part in keep)}
        forgotten = [path for path in self.partials.iterdir() if path.name not in kept]
        if older is not None:
            forgotten = [path for path in forgotten if _untouched(path) > older]
        for path in forgotten:
            path.unlink(missing_ok=True)
        if older is not None:
            return len(forgotten)
        half = list(self._extracting.iterdir()) if self._extracting.is_dir() else []
        for folder in half:
            shutil.rmtree(folder)
        return len(forgotten) + len(half)

    async def _in_thread(
        self, trouble: str, work: Callable[..., R], *args: object, stop: threading.Event | None = None
    ) -> R:
        """Run blocking work off the loop. If we are cancelled it ends first, sooner where it heeds `stop`."""

        async def run() -> R:
            return await asyncio.wrap_future(self._threads.submit(work, *args))

        with translated(trouble):
            return await shielded(run(), hurry=stop.set if stop else None)


def _untouched(path: Path) -> timedelta:
    """For how long; nothing for what is gone."""
    try:
        return timedelta(seconds=time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return timedelta(0)
