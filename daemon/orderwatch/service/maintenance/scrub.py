"""Verifies stored files again, a part of them each week, the longest unread first."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from orderwatch.core.deliveries.audit import Finding, Flaw, judge_file
from orderwatch.core.model import Delivery
from orderwatch.errors import DiskError
from orderwatch.ports import Inspector, Store

log = structlog.get_logger()

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_BATCH_SIZE = 500  # one reading sorts all files

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class ScrubTree:
    """One tree; `ready` raises `DiskError` if it cannot be used."""

    root: str
    inspector: Inspector
    ready: Callable[[], Awaitable[object]]


@dataclass(slots=True)
class _DamagedFile:
    finding: Finding
    delivery: Delivery
    at: datetime  # last read


class Scrub:
    """Reads `weekly` bytes in seven days, 0 for none. `trees` by their names in the rows."""

    def __init__(
        self,
        store: Store,
        trees: Mapping[str | None, ScrubTree],
        weekly: int,
        *,
        rest: Callable[[float], Awaitable[object]] = asyncio.sleep,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._sleep = rest
        self._steady = steady
        self._damaged: dict[Key, _DamagedFile] = {}
        self._logged_missing: set[Key] = set()
        self._logged_roots: set[str | None] = set()  # roots
        self._resumed = False
        self.trees = trees
        self.weekly = weekly

    async def run(self, now: datetime) -> None:
        """Check damaged files again if they may have changed, then read the part of this day."""
        for damaged in list(self._damaged.values()):
            await self._recheck(damaged, now)
        if self.weekly and not self._resumed:
            self._resumed = all([await _is_ready(tree) for tree in self.trees.values()])
            await self._resume(now)
        if self.weekly and not await self._store.maintenance.bytes_read_since(now - _DAY):
            await self._read_part(now)
        self._log_state()

    async def _resume(self, now: datetime) -> None:
        """Find the damaged files of the last process again, so that their problem does not seem to be over.

        Damaged files are not recorded as read, so they come first.
        """
        async for delivery in self._candidates(now):
            try:
                if await self._check_file(delivery, now, remember=False) in {None, Flaw.MISSING}:
                    return
            except DiskError:
                return

    async def _read_part(self, now: datetime) -> None:
        files, size, missing = 0, 0, set[Key]()
        async for delivery in self._candidates(now):
            began = self._steady()
            try:
                flaw = await self._check_file(delivery, now)
            except DiskError:
                break  # logged by the mount guard
            if flaw is Flaw.MISSING:
                missing.add(delivery.key)
            else:
                files, size = files + 1, size + (delivery.size or 0)
            if size >= self.weekly / 7:
                break
            await self._sleep(self._steady() - began)  # leaves half of the disk's time to others
        if files:
            log.info("scrub.done", files=files, size=size)
        if missing - self._logged_missing:
            self._logged_missing |= missing
            log.info("scrub.missing", count=len(missing))

    async def _candidates(self, now: datetime) -> AsyncIterator[Delivery]:
        """Yield files not read for a week, in usable trees; the caller records that they are read."""
        roots = [key for key, tree in self.trees.items() if await _is_ready(tree)]
        while roots:
            found = await self._store.maintenance.least_recently_read(
                roots, now - _WEEK, _BATCH_SIZE + len(self._damaged)
            )
            fresh = [delivery for delivery in found if delivery.key not in self._damaged]
            for delivery in fresh:
                if delivery.root not in self.trees:  # removed by a reload meanwhile
                    return
                yield delivery
            if not fresh:
                return

    async def _check_file(self, delivery: Delivery, now: datetime, *, remember: bool = True) -> Flaw | None:
        """Read one file and remember its state. Raises `DiskError` if its tree cannot be used."""
        tree = self.trees[delivery.root]
        await tree.ready()
        reading = await tree.inspector.read(delivery.path or "", delivery.size, lambda _size: None)
        found = judge_file(delivery, reading)
        if found is not None:
            await tree.ready()
            row = await self._row(delivery)
            if row is None or _identity(row) != _identity(delivery):
                return None  # changed meanwhile
        if found is None or found.kind is Flaw.MISSING:
            self._damaged.pop(delivery.key, None)
            if remember:
                await self._store.maintenance.mark_read(delivery, now)
        else:
            self._damaged[delivery.key] = _DamagedFile(found, delivery, now)
        return found.kind if found else None

    async def _recheck(self, damaged: _DamagedFile, now: datetime) -> None:
        row = await self._row(damaged.delivery)
        if row is None or (row.state.settled and row.path is None) or row.root not in self.trees:
            del self._damaged[damaged.delivery.key]
        elif row.state.settled and (
            _identity(row) != _identity(damaged.delivery) or not damaged.at <= now < damaged.at + _DAY
        ):
            try:
                await self._check_file(row, now)
            except DiskError:
                return

    async def _row(self, delivery: Delivery) -> Delivery | None:
        found = await self._store.deliveries.versions(delivery)
        return next((row for row in found if row.key == delivery.key), None)

    def _log_state(self) -> None:
        """Log once per tree when damage is found, and once when all of it is repaired."""
        for key, tree in self.trees.items():
            damaged = [one.finding for one in self._damaged.values() if one.delivery.root == key]
            if damaged and key not in self._logged_roots:
                self._logged_roots.add(key)
                first = damaged[0]
                log.error(
                    "tree.damaged", root=tree.root, path=first.path, finding=first.kind, count=len(damaged)
                )
            elif not damaged and key in self._logged_roots:
                self._logged_roots.discard(key)
                log.info("tree.mended", root=tree.root)


async def _is_ready(tree: ScrubTree) -> bool:
    try:
        await tree.ready()
    except DiskError:
        return False
    return True


def _identity(delivery: Delivery) -> tuple[object, ...]:
    return delivery.root, delivery.path, delivery.sha256, delivery.stored_at
