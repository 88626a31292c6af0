"""Whether a delivery tree can be used: its volume is mounted, writable, and held by this process alone."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta

import structlog

from orderwatch.core.deliveries.paths import partial_name
from orderwatch.core.model import UNFINISHED
from orderwatch.errors import DatabaseError, DiskError, LockedError
from orderwatch.ports import Destination, Store

log = structlog.get_logger()

_LONG = timedelta(hours=1)  # untouched, and it is nobody's


class MountGuard:
    """Of one tree. `lock` holds the tree for this process; it raises `LockedError`."""

    def __init__(
        self,
        root: str,
        destination: Destination,
        store: Store,
        lock: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._root = root
        self._destination = destination
        self._store = store
        self._lock = lock
        self._slot = asyncio.Lock()
        self._held = ExitStack()
        self._marker: str | None = None  # of the tree that is held
        self._swept = False
        self._unusable = False  # said
        self._left = False

    @property
    def usable(self) -> bool:
        """Whether it could be used when it was needed last."""
        return self._marker is not None

    async def open(self) -> None:
        """At a start: a tree that cannot be used yet is said, one that another process holds raises."""
        try:
            await self._take()
        except DiskError as error:
            self._say(error)

    async def ready(self) -> None:
        """Return when the tree can be used, `DiskError` where it cannot; cheap once it could."""
        async with self._slot:
            if self._left:
                raise DiskError(f"{self._root} is no delivery tree of ours any more")
            try:
                await self._take()
            except LockedError as error:
                refused = DiskError(str(error))
                self._say(refused)
                raise refused from error
            except DiskError as error:
                self._say(error)
                raise
            self._say(None)

    def close(self) -> None:
        """Let go of the tree, which may be unmounted then."""
        self._marker = None
        self._held.close()

    def leave(self) -> None:
        """Let go of the tree for good, whoever may still ask for it."""
        self._left = True
        self.close()

    async def tidy(self) -> None:
        """Remove what no row knows and nobody has touched for long, while the tree is ours."""
        async with self._slot:
            if self._marker is None:
                return
            try:
                swept = await sweep_partials(self._destination, self._store, _LONG)
            except DiskError as error:
                self._say(error)
                return
        if swept:
            log.info("tree.swept", root=self._root, partials=swept)

    async def _take(self) -> None:
        known = await self._store.volume(self._root) if self._marker is None else self._marker
        if known is not None:
            await check_mounted(self._root, known, self._destination)
        if self._marker is not None:
            return
        await self._destination.prepare()
        with ExitStack() as held:
            try:
                held.enter_context(self._lock())
            except DatabaseError as error:
                raise DiskError(str(error)) from error
            marker = await self._destination.mark()
            if known is None:
                await self._store.remember_volume(self._root, marker)
            if not self._swept:
                await self._sweep()
            self._held = held.pop_all()
        self._marker = marker

    async def _sweep(self) -> None:
        """What a killed process left; only before the first attempt, for later it may be somebody's."""
        swept = await sweep_partials(self._destination, self._store)
        self._swept = True
        if swept:
            log.info("tree.swept", root=self._root, partials=swept)

    def _say(self, error: DiskError | None) -> None:
        """Once when it begins, once when it ends."""
        if error is not None:
            self.close()
        if (error is not None) is self._unusable:
            return
        self._unusable = error is not None
        if error is not None:
            log.error("tree.unusable", root=self._root, reason=str(error))
        else:
            log.info("tree.usable", root=self._root)


async def check_mounted(root: str, known: str, destination: Destination) -> None:
    """`DiskError` where another volume than the known one is found at the root, or none at all."""
    found = await destination.volume()
    if found == known:
        return
    what = "another volume is there" if found else "nothing of ours is there"
    raise DiskError(
        f"the delivery volume is not mounted at {root}: {what}; if it was replaced on purpose:"
        f" mkdir -p {root}/.orderwatch && echo {known} > {root}/.orderwatch/volume"
    )


async def sweep_partials(destination: Destination, store: Store, older: timedelta | None = None) -> int:
    """Remove the partials that no row knows; returns how many. With `older`, work may be going on."""
    return await destination.sweep({partial_name(d) for d in await store.deliveries(*UNFINISHED)}, older)
