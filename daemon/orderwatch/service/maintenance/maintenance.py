"""Maintenance: nightly backups, retention, cleanup of partials, and scrubbing."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from orderwatch.errors import DatabaseError
from orderwatch.ports import Backups, Store
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.service.maintenance.scrub import Scrub

log = structlog.get_logger()

_BACKUP_HOUR = 3  # local time
_RETRY_INTERVAL = timedelta(hours=1)  # after a failure
_DAY = timedelta(days=1)


class NightlyBackup:
    """Makes a backup every night. `last` is the time of the newest backup, None if there is none."""

    def __init__(self, backups: Backups) -> None:
        self._backups = backups
        self._failed_at: datetime | None = None
        self.last: datetime | None = None

    async def run(self, now: datetime) -> None:
        """Make a backup if last night has none; log a failure once and retry every hour."""
        if not self._backups.keep:
            self._log_restored()
            return
        if self._failed_at is not None and self._failed_at <= now < self._failed_at + _RETRY_INTERVAL:
            return
        try:
            self.last = self._backups.newest()
            if is_due(self.last, now):
                made = await self._backups.make(now)
                self.last = now
                log.info("backup.done", path=str(made.path), size=made.size)
        except DatabaseError as error:
            if self._failed_at is None:
                log.error("backup.failed", reason=str(error))  # noqa: TRY400 - the reason is enough
            self._failed_at = now
            return
        self._log_restored()

    def _log_restored(self) -> None:
        if self._failed_at is not None:
            self._failed_at = None
            log.info("backup.restored")


def is_due(newest: datetime | None, now: datetime) -> bool:
    """Return whether a backup is due; one dated in the future by a wrong clock does not count."""
    return newest is None or not _last_night(now) <= newest <= now + _DAY


def _last_night(now: datetime) -> datetime:
    night = now.astimezone().replace(hour=_BACKUP_HOUR, minute=0, second=0, microsecond=0)
    return night if night <= now else night - _DAY


_CHECK_INTERVAL, _DAY = timedelta(minutes=10), timedelta(days=1)
_ORDERS_PER_TRANSACTION = 100


class MaintenanceTask(Protocol):
    """Does what is due according to rows and files."""

    async def run(self, now: datetime) -> None: ...


class Retention:
    """Deletes history and documents of orders finished `after` so long, once the time is `confirmed`."""

    def __init__(self, store: Store, after: timedelta, confirmed: Callable[[], bool] = lambda: True) -> None:
        self._store = store
        self._confirmed = confirmed
        self.after = after

    async def run(self, now: datetime) -> None:
        if not self._confirmed():
            return
        before = now - self.after
        while await self._store.maintenance.prune(before, _ORDERS_PER_TRANSACTION) == _ORDERS_PER_TRANSACTION:
            pass  # other writers get their turn in between


class PartialSweep:
    """Removes partials that no row names."""

    def __init__(self, volumes: Sequence[MountGuard]) -> None:
        self.volumes = volumes

    async def run(self, now: datetime) -> None:
        del now  # ages are those of the file system
        for volume in self.volumes:
            await volume.sweep()


class Maintenance:
    """Runs all maintenance tasks, one after the other."""

    def __init__(
        self,
        nightly: NightlyBackup,
        retention: Retention,
        sweeping: PartialSweep,
        scrub: Scrub,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self.nightly = nightly
        self.retention = retention
        self.sweeping = sweeping
        self.scrub = scrub
        self._now = now
        self._intervals: dict[MaintenanceTask, timedelta] = {
            nightly: _CHECK_INTERVAL,
            retention: _DAY,
            sweeping: _DAY,
            scrub: _CHECK_INTERVAL,
        }
        self._done: dict[MaintenanceTask, datetime] = {}

    @property
    def last_backup(self) -> datetime | None:
        """The time of the newest backup."""
        return self.nightly.last

    async def run_due(self) -> None:
        """Run each task whose interval is over, or whose last run is in the future after a clock step."""
        for task, interval in self._intervals.items():
            now, done = self._now(), self._done.get(task)
            if done is None or not done <= now < done + interval:
                await task.run(now)
                self._done[task] = now
