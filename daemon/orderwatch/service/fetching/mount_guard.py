"""Ensures that a delivery tree is mounted, writable and locked by this process."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta

import structlog

from orderwatch.core.deliveries.delivery_root import SCHEME
from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.model import UNFINISHED
from orderwatch.errors import ConfigError, DatabaseError, DiskError, LockedError, UnsafeStoreError
from orderwatch.ports import Destination, Store
from orderwatch.shared_run import SharedRun

log = structlog.get_logger()

_STALE_AFTER = timedelta(hours=1)  # a partial unchanged for this long is unused


class MountGuard:
    """Guards one tree, maybe `shared` with other hosts.

    `lock` locks it for this process, or raises `LockedError`.
    """

    def __init__(
        self,
        root: str,
        destination: Destination,
        store: Store,
        lock: Callable[[], AbstractContextManager[None]],
        *,
        shared: bool = False,
    ) -> None:
        self._root = root
        self._destination = destination
        self._store = store
        self._lock = lock
        self._sweep_age = _STALE_AFTER if shared else None  # at the start nobody else downloads
        self._slot = asyncio.Lock()
        self._checking = SharedRun(self._check)
        self._stack = ExitStack()
        self._marker: str | None = None  # of the tree in use
        self._swept = False
        self._unusable = False  # logged
        self._is_abandoned = False

    @property
    def usable(self) -> bool:
        """Whether the tree was usable at the last check."""
        return self._marker is not None

    async def open(self) -> None:
        """Open at the start: log an unusable tree; raise `LockedError` if another process has it.

        Raises `ConfigError` if nothing may ever be stored there.
        """
        try:
            await self._acquire()
        except UnsafeStoreError as error:
            raise ConfigError([str(error)]) from error
        except DiskError as error:
            self._log_state(error)

    async def ready(self) -> None:
        """Check that the tree can be used; cheap once it is open. Raises `DiskError`."""
        await self._checking()

    def close(self) -> None:
        """Close the tree, so that it may be unmounted."""
        self._marker = None
        self._stack.close()

    def abandon(self) -> None:
        """Close the tree for good; later calls of `ready` fail."""
        self._is_abandoned = True
        self.close()

    async def sweep(self) -> None:
        """Remove stale partials that no row names, while the tree is open."""
        async with self._slot:
            if self._marker is None:
                return
            try:
                swept = await sweep_partials(self._destination, self._store, _STALE_AFTER)
            except DiskError as error:
                self._log_state(error)
                return
        if swept:
            log.info("tree.swept", root=self._root, partials=swept)

    async def _check(self) -> None:
        async with self._slot:
            if self._is_abandoned:
                raise DiskError(f"{self._root} is no longer a configured delivery tree")
            try:
                await self._acquire()
            except LockedError as error:
                refused = DiskError(str(error))
                self._log_state(refused)
                raise refused from error
            except DiskError as error:
                self._log_state(error)
                raise
            self._log_state(None)

    async def _acquire(self) -> None:
        known = await self._store.deliveries.volume(self._root) if self._marker is None else self._marker
        if known is not None:
            await check_mounted(self._root, known, self._destination)
        if self._marker is not None:
            return
        await self._destination.prepare()
        with ExitStack() as stack:
            try:
                stack.enter_context(self._lock())
            except DatabaseError as error:
                raise DiskError(str(error)) from error
            marker = await self._destination.mark()
            if known is None:
                await self._store.deliveries.save_volume(self._root, marker)
            if not self._swept:
                await self._sweep()
            self._stack = stack.pop_all()
        self._marker = marker

    async def _sweep(self) -> None:
        """Remove the partials of a killed process, before the first attempt creates new ones."""
        swept = await sweep_partials(self._destination, self._store, self._sweep_age)
        self._swept = True
        if swept:
            log.info("tree.swept", root=self._root, partials=swept)

    def _log_state(self, error: DiskError | None) -> None:
        """Log once when the tree becomes unusable, and once when it is usable again."""
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
    """Raise `DiskError` unless the known volume is mounted at the root."""
    found = await destination.volume()
    if found == known:
        return
    if root.startswith(SCHEME):
        what = "the marker is another one" if found else "the marker is missing"
        raise DiskError(
            f"{root} is not the delivery tree of this database: {what}; if you replaced it on purpose, put"
            f" {known} into {root}/.orderwatch/volume"
        )
    what = "another volume is mounted there" if found else "its marker is missing"
    raise DiskError(
        f"the delivery volume is not mounted at {root}: {what}; if you replaced it on purpose, run:"
        f" mkdir -p {root}/.orderwatch && echo {known} > {root}/.orderwatch/volume"
    )


async def sweep_partials(destination: Destination, store: Store, older: timedelta | None = None) -> int:
    """Remove partials that no row names; returns how many. With `older`, downloads may be running."""
    return await destination.sweep(
        {partial_name(d) for d in await store.deliveries.in_states(*UNFINISHED)}, older
    )
