"""Stored files are read again, a part of them each week, those first that were read longest ago."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from orderwatch.core.deliveries.audit import Finding, Flaw, judge_file
from orderwatch.core.model import Delivery
from orderwatch.errors import DiskError
from orderwatch.ports import Inspector, Upkeep

log = structlog.get_logger()

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_AT_ONCE = 50  # rows

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class ScrubTree:
    """One tree; `ready` raises `DiskError` where it cannot be used."""

    root: str
    inspector: Inspector
    ready: Callable[[], Awaitable[object]]


@dataclass(slots=True)
class _Bad:
    finding: Finding
    delivery: Delivery
    at: datetime  # when it was read last


class Scrub:
    """`weekly` bytes in seven days, 0 for none. `trees` are known by the names that rows have for them."""

    def __init__(
        self,
        store: Upkeep,
        trees: Mapping[str | None, ScrubTree],
        weekly: int,
        *,
        rest: Callable[[float], Awaitable[object]] = asyncio.sleep,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._rest = rest
        self._steady = steady
        self._bad: dict[Key, _Bad] = {}
        self._missing: set[Key] = set()  # said
        self._damaged: set[str | None] = set()  # roots, said
        self._resumed = False
        self.trees = trees
        self.weekly = weekly

    async def do(self, now: datetime) -> None:
        """What was bad is looked at again where it may have changed; then this day's part is read."""
        for bad in list(self._bad.values()):
            await self._again(bad, now)
        if self.weekly and not self._resumed:
            self._resumed = all([await _is_ready(tree) for tree in self.trees.values()])
            await self._resume(now)
        if self.weekly and not await self._store.read_since(now - _DAY):
            await self._read_part(now)
        self._say()

    async def _resume(self, now: datetime) -> None:
        """What the last process found bad is found again, or its trouble would seem to be over.

        Nobody remembered that it was read, so it comes before all that is whole.
        """
        async for delivery in self._candidates(now):
            try:
                if await self._look(delivery, now, remember=False) in {None, Flaw.MISSING}:
                    return
            except DiskError:
                return

    async def _read_part(self, now: datetime) -> None:
        files, size, missing = 0, 0, set[Key]()
        async for delivery in self._candidates(now):
            began = self._steady()
            try:
                flaw = await self._look(delivery, now)
            except DiskError:
                break  # who uses the tree says what is wrong with it
            if flaw is Flaw.MISSING:
                missing.add(delivery.key)
            else:
                files, size = files + 1, size + (delivery.size or 0)
            if size >= self.weekly / 7:
                break
            await self._rest(self._steady() - began)  # half of the disk's time is everybody else's
        if files:
            log.info("scrub.done", files=files, size=size)
        if missing - self._missing:
            self._missing |= missing
            log.info("scrub.missing", count=len(missing))

    async def _candidates(self, now: datetime) -> AsyncIterator[Delivery]:
        """What was not read for a week, in the trees that can be used; who reads it remembers that."""
        roots = [key for key, tree in self.trees.items() if await _is_ready(tree)]
        while roots:
            found = await self._store.longest_unread(roots, now - _WEEK, _AT_ONCE + len(self._bad))
            fresh = [delivery for delivery in found if delivery.key not in self._bad]
            for delivery in fresh:
                if delivery.root not in self.trees:  # a reload took it out meanwhile
                    return
                yield delivery
            if not fresh:
                return

    async def _look(self, delivery: Delivery, now: datetime, *, remember: bool = True) -> Flaw | None:
        """Read one file and remember how it is; `DiskError` where its tree cannot be used."""
        tree = self.trees[delivery.root]
        await tree.ready()
        reading = await tree.inspector.read(delivery.path or "", delivery.size, lambda _size: None)
        found = judge_file(delivery, reading)
        if found is not None:
            await tree.ready()
            row = await self._row(delivery)
            if row is None or _file(row) != _file(delivery):
                return None  # it was written meanwhile
        if found is None or found.kind is Flaw.MISSING:
            self._bad.pop(delivery.key, None)
            if remember:
                await self._store.was_read(delivery, now)
        else:
            self._bad[delivery.key] = _Bad(found, delivery, now)
        return found.kind if found else None

    async def _again(self, bad: _Bad, now: datetime) -> None:
        row = await self._row(bad.delivery)
        if row is None or (row.state.settled and row.path is None) or row.root not in self.trees:
            del self._bad[bad.delivery.key]
        elif row.state.settled and (_file(row) != _file(bad.delivery) or not bad.at <= now < bad.at + _DAY):
            try:
                await self._look(row, now)
            except DiskError:
                return

    async def _row(self, delivery: Delivery) -> Delivery | None:
        order = await self._store.order(delivery.account, delivery.task_id)
        return next((d for d in order.deliveries if d.key == delivery.key), None) if order else None

    def _say(self) -> None:
        """Once per tree when it begins, once when all that was found is whole again."""
        for key, tree in self.trees.items():
            bad = [one.finding for one in self._bad.values() if one.delivery.root == key]
            if bad and key not in self._damaged:
                self._damaged.add(key)
                first = bad[0]
                log.error("tree.damaged", root=tree.root, path=first.path, finding=first.kind, count=len(bad))
            elif not bad and key in self._damaged:
                self._damaged.discard(key)
                log.info("tree.mended", root=tree.root)


async def _is_ready(tree: ScrubTree) -> bool:
    try:
        await tree.ready()
    except DiskError:
        return False
    return True


def _file(delivery: Delivery) -> tuple[object, ...]:
    return delivery.root, delivery.path, delivery.sha256, delivery.stored_at
