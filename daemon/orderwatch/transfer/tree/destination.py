"""A delivery tree on a local file system, with its staging folder inside."""

import asyncio
import errno
import os
import threading
import uuid
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from orderwatch.cancellation import shielded
from orderwatch.core.deliveries.partial_name import stem_of
from orderwatch.core.deliveries.paths import folder_beside, safe_component
from orderwatch.core.deliveries.promise import NO_PROMISE, Promise
from orderwatch.core.model import Delivery
from orderwatch.errors import DiskError, LostBytesError, LostLeaseError
from orderwatch.fsync import sync
from orderwatch.ports import Checked, Extracted, Fetched, MayAct, Publishable, Quarantined, always, unnoticed
from orderwatch.transfer.fsops import (
    DEFAULT_PERMISSIONS,
    Permissions,
    free_space,
    link_exclusive,
    make_folders,
    probe_links,
    translate_os_errors,
    write_durable,
)
from orderwatch.transfer.kinds.check import check_file
from orderwatch.transfer.partial_file import control_file, remove_partial
from orderwatch.transfer.tree.adoption import adopt, remove_former
from orderwatch.transfer.tree.publish import holds, publish
from orderwatch.transfer.tree.side_staging import extract_beside, remove_beside
from orderwatch.transfer.tree.sweeping import sweep
from orderwatch.transfer.zip.extract import extract, needed
from orderwatch.transfer.zip.verify import digest

R = TypeVar("R")

_LANES = 2  # that publish the files of a batch side by side; more wait for each other
_MAX_BATCHES = 2
_MAX_THREADS = 16  # a separate pool: slow DNS lookups can occupy asyncio's default threads
_STAT_BLOCK_BYTES = 512  # the unit of `st_blocks`


class FilesystemDestination:
    """Final names below `root`, work in progress below `root/.orderwatch`.

    If other hosts share it, `shared_as` is the name of this one; else only this process writes there.
    """

    def __init__(
        self, root: Path, permissions: Permissions = DEFAULT_PERMISSIONS, *, shared_as: str | None = None
    ) -> None:
        self._root = root
        self._is_shared = shared_as is not None
        self._suffix = "" if shared_as is None else f"-{safe_component(shared_as)}"  # of files of this host
        self._left: set[str] = set()  # partials that this process has written and closed
        self.permissions = permissions
        self._staging = root / ".orderwatch"
        self.partials = self._staging / "partial"
        self._quarantine = self._staging / "quarantine"
        self._extracting = self._staging / "extract"
        self._marker = self._staging / "volume"
        self._publishing = asyncio.Semaphore(_MAX_BATCHES)
        self._threads = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="destination")

    def free(self) -> int:
        return free_space(self.partials)

    def occupied(self, part: str) -> int:
        with translate_os_errors("cannot inspect the partial"):
            try:
                return (self.partials / part).stat().st_blocks * _STAT_BLOCK_BYTES
            except FileNotFoundError:
                return 0

    def device(self) -> int:
        """Return the device number, equal for trees on the same file system."""
        with translate_os_errors("cannot read the device of the destination"):
            return self.partials.stat().st_dev

    async def close(self) -> None:
        """Nothing runs in the background."""

    async def volume(self) -> str | None:
        return await self._in_thread("cannot use the destination", self._volume)

    async def prepare(self) -> None:
        await self._in_thread("cannot prepare the destination", self._prepare)

    async def mark(self) -> str:
        return await self._in_thread("cannot mark the destination", self._mark)

    async def verify(
        self, part: str, delivery: Delivery, fetched: Fetched | None = None, promise: Promise = NO_PROMISE
    ) -> Checked:
        stop = threading.Event()
        work = self._in_thread(
            "cannot read the partial", self._verify, part, delivery, fetched, promise, stop, stop=stop
        )
        return await work

    async def adopt(self, part: str, delivery: Delivery) -> None:
        if delivery.fence > 1 or delivery.durable:
            await self._in_thread("cannot continue the partial", self._adopt, part, delivery)

    async def remove_former(self, part: str) -> None:
        """Remove the partials of the delivery's former claims."""
        await self._in_thread("cannot remove a former partial", remove_former, self.partials / part)

    def leave(self, part: str) -> None:
        if self._is_shared:
            self._left.add(part)

    async def publish(
        self,
        part: str,
        path: str,
        sidecar: bytes,
        checked: Checked,
        *,
        resumed: bool = False,
        may_act: MayAct = always,
        on_bytes: Callable[[int], object] = unnoticed,
    ) -> bool:
        del on_bytes  # linking takes no time
        work = partial(
            self._publish,
            self.partials / part,
            self._final(path),
            sidecar,
            size=checked.size,
            sha256=checked.sha256,
            resumed=resumed,
            permissions=self.permissions,
            may_act=may_act,
        )
        return await self._in_thread("cannot publish the file", work)

    async def publish_all(self, files: Sequence[Publishable], may_act: MayAct = always) -> Sequence[bool]:
        async with self._publishing:
            return await self._publish_all(files, may_act)

    async def _publish_all(self, files: Sequence[Publishable], may_act: MayAct) -> Sequence[bool]:
        lanes = [files[start::_LANES] for start in range(min(_LANES, len(files)))]
        made = await asyncio.gather(
            *(self._in_thread("cannot publish", self._publish_lane, lane, may_act) for lane in lanes)
        )
        folders = {(self._root / file.path).parent for file in files}
        await self._in_thread("cannot flush the folder", _sync_all, folders)
        done = [False] * len(files)
        for start, results in enumerate(made):
            done[start::_LANES] = results
        return done

    async def holds(self, path: str, checked: Checked) -> bool:
        return await self._in_thread(
            "cannot read the file", holds, self._root / path, checked.size, checked.sha256
        )

    async def needed(self, part: str, path: str) -> int:
        stop = threading.Event()
        work = self._in_thread("cannot read the zip", self._needed, part, path, stop, stop=stop)
        return await work

    async def extract(self, part: str, path: str, on_bytes: Callable[[int], object]) -> Extracted:
        stop = threading.Event()
        work = self._in_thread("cannot extract the zip", self._extract, part, path, on_bytes, stop, stop=stop)
        return await work

    async def quarantine(self, part: str, reason: str) -> Quarantined:
        return await self._in_thread("cannot quarantine the partial", self._move_to_quarantine, part, reason)

    async def discard(self, *parts: str) -> None:
        await self._in_thread("cannot remove the partial", self._discard, parts)

    async def sweep(self, keep: Collection[str], older: timedelta | None = None) -> int:
        return await self._in_thread("cannot clean up the staging folder", self._sweep, keep, older)

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
        made = str(uuid.uuid4())
        temporary = self._marker.with_name(f"volume.new{self._suffix}")
        write_durable(temporary, f"{made}\n".encode())
        try:
            link_exclusive(temporary, self._marker)
        except FileExistsError:
            if (found := self._volume()) is not None:
                return found  # of another host, which was first
            temporary.replace(self._marker)  # an empty one
        finally:
            temporary.unlink(missing_ok=True)
        sync(self._staging)
        return made

    def _prepare(self) -> None:
        make_folders(self._root, self.permissions)
        for folder in (self.partials, self._quarantine):
            make_folders(folder)
        self._staging.chmod(0o700)
        probe_links(self.partials, self._staging, self._suffix, self.permissions)

    def _final(self, path: str) -> Path:
        final = self._root / path
        if not final.is_relative_to(self._root) or ".." in final.parts:
            raise ValueError(f"{path} leads out of the delivery root")
        return final

    def _publish_lane(self, files: Sequence[Publishable], may_act: MayAct) -> list[bool]:
        """Publish one file after another; a file that cannot be published does not end the others."""
        done = []
        for file in files:
            try:
                done.append(
                    self._publish(
                        self.partials / file.part,
                        self._final(file.path),
                        file.sidecar,
                        size=file.checked.size,
                        sha256=file.checked.sha256,
                        resumed=False,
                        permissions=self.permissions,
                        is_flushed=False,
                        may_act=may_act,
                    )
                )
            except (OSError, DiskError, LostLeaseError):  # an attempt of its own finds out why
                done.append(False)
        return done

    def _publish(self, part: Path, final: Path, *args: Any, **more: Any) -> bool:  # noqa: ANN401 - those of `publish`
        """Publish, unless a symbolic link leads out of the tree."""
        if not final.parent.resolve().is_relative_to(self._root.resolve()):
            raise DiskError(f"a folder of {final} is a symbolic link that leads out of the delivery root")
        return publish(part, final, *args, **more)

    def _verify(
        self, part: str, delivery: Delivery, fetched: Fetched | None, promise: Promise, stop: threading.Event
    ) -> Checked:
        path = self.partials / part
        with translate_os_errors("cannot flush the partial to disk", LostBytesError):
            sync(path)
        size = path.stat().st_size
        if fetched is None:
            fetched = Fetched(size, digest(path, stop))
        if fetched.sha256 != delivery.sha256:  # else it was verified before its intent was recorded
            check_file(path, delivery, fetched, stop, promise)
        return Checked(size=size, sha256=fetched.sha256)

    def _needed(self, part: str, path: str, stop: threading.Event) -> int:
        return needed(self._source(part, path), self._root / folder_beside(path), stop)

    def _extract(
        self, part: str, path: str, on_bytes: Callable[[int], object], stop: threading.Event
    ) -> Extracted:
        wanted = self._root / folder_beside(path)
        work = extract_beside(self.partials / part, wanted.parent) or self._extracting / Path(part).stem
        source = self._source(part, path)
        final, files = extract(source, work, wanted, on_bytes, stop, permissions=self.permissions)
        return Extracted(str(final.relative_to(self._root)), files)

    def _source(self, part: str, path: str) -> Path:
        """Return the partial, else the delivered file; a reader may have moved that one already."""
        for source in (self.partials / part, self._root / path):
            if source.is_file():
                return source
        raise LostBytesError("the verified partial is missing")

    def _move_to_quarantine(self, part: str, reason: str) -> Quarantined:
        path = self.partials / part
        kept = self._quarantine / f"{stem_of(part)}.part"  # the last wrong bytes, of whichever claim
        sha256 = digest(path)
        write_durable(kept.with_name(f"{kept.name}.reason.txt"), f"{reason}\nsha256 {sha256}\n".encode())
        control_file(path).unlink(missing_ok=True)  # before a new partial of this name could use it
        path.replace(kept)
        return Quarantined(sha256, str(kept.relative_to(self._root)))

    def _adopt(self, part: str, delivery: Delivery) -> None:
        whole = delivery.size or 0 if delivery.intended else 0

        def may_rename(former: str) -> bool:  # nobody writes into a verified partial
            return not self._is_shared or delivery.intended or former in self._left

        adopt(self.partials / part, max(delivery.durable, whole), may_rename=may_rename)

    def _discard(self, parts: Sequence[str]) -> None:
        for part in parts:
            remove_beside(self.partials / part)
            remove_partial(self.partials / part)
            self._left.discard(part)

    def _sweep(self, keep: Collection[str], older: timedelta | None) -> int:
        extracting = self._extracting if self._is_shared or older is None else None
        return sweep(self.partials, extracting, keep, older)

    async def _in_thread(
        self, message: str, work: Callable[..., R], *args: object, stop: threading.Event | None = None
    ) -> R:
        """Run blocking work in a thread. If cancelled, set `stop` and wait for the work to end."""
        running = asyncio.wrap_future(self._threads.submit(work, *args))
        with translate_os_errors(message):
            return await shielded(running, hurry=stop.set if stop else None)


def _sync_all(folders: Collection[Path]) -> None:
    for folder in folders:
        if folder.is_dir():
            sync(folder)
