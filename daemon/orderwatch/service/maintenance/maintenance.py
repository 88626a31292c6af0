"""Care for what is kept: backups, forgetting what is long done, staging swept, files read again."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from orderwatch.errors import DatabaseError
from orderwatch.ports import Backups, Upkeep
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.service.maintenance.scrub import Scrub

log = structlog.get_logger()

_HOUR_OF_NIGHT = 3  # local time
_AGAIN = timedelta(hours=1)  # after a failure
_NIGHTLY_DAY = timedelta(days=1)


class NightlyBackup:
    """`last` is when the newest backup was made, None where there is none."""

    def __init__(self, backups: Backups) -> None:
        self._backups = backups
        self._failed_at: datetime | None = None
        self.last: datetime | None = None

    async def do(self, now: datetime) -> None:
        """Make one if this night has none yet; what goes wrong is said once, and tried again every hour."""
        if not self._backups.keep:
            self._say_restored()
            return
        if self._failed_at is not None and self._failed_at <= now < self._failed_at + _AGAIN:
            return
        try:
            self.last = self._backups.newest()
            if is_due(self.last, now):
                made = await self._backups.make(now)
                self.last = now
                log.info("backup.done", path=str(made.path), size=made.size)
        except DatabaseError as error:
            if self._failed_at is None:
                log.error("backup.failed", reason=str(error))  # noqa: TRY400 - it says it all
            self._failed_at = now
            return
        self._say_restored()

    def _say_restored(self) -> None:
        if self._failed_at is not None:
            self._failed_at = None
            log.info("backup.restored")


def is_due(newest: datetime | None, now: datetime) -> bool:
    """One that a wrong clock dated into the future counts for nothing."""
    return newest is None or not _last_night(now) <= newest <= now + _NIGHTLY_DAY


def _last_night(now: datetime) -> datetime:
    night = now.astimezone().replace(hour=_HOUR_OF_NIGHT, minute=0, second=0, microsecond=0)
    return night if night <= now else night - _NIGHTLY_DAY


_OFTEN, _DAY = timedelta(minutes=10), timedelta(days=1)
_AT_ONCE = 100  # orders in one transaction


class MaintenanceTask(Protocol):
    """Sees by rows and files whether anything is due, and does it."""

    async def do(self, now: datetime) -> None: ...


class Retention:
    """History and documents of orders done are forgotten `after` so long, once the time is `confirmed`."""

    def __init__(self, store: Upkeep, after: timedelta, confirmed: Callable[[], bool] = lambda: True) -> None:
        self._store = store
        self._confirmed = confirmed
        self.after = after

    async def do(self, now: datetime) -> None:
        if not self._confirmed():
            return
        before = now - self.after
        while await self._store.forget(before, _AT_ONCE) == _AT_ONCE:
            pass  # in between others write


class PartialSweep:
    """Partials that no row knows any more."""

    def __init__(self, volumes: Sequence[MountGuard]) -> None:
        self.volumes = volumes

    async def do(self, now: datetime) -> None:
        del now  # files are as old as the disk says
        for volume in self.volumes:
            await volume.tidy()


class Maintenance:
    """One worker for all of it, one thing after the other."""

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
        self._every: dict[MaintenanceTask, timedelta] = {
            nightly: _OFTEN,
            retention: _DAY,
            sweeping: _DAY,
            scrub: _OFTEN,
        }
        self._done: dict[MaintenanceTask, datetime] = {}

    @property
    def last_backup(self) -> datetime | None:
        """When the newest backup was made."""
        return self.nightly.last

    async def round(self) -> None:
        """Each chore that was not looked at for a while, or in a time that a clock took back."""
        for chore, every in self._every.items():
            now, done = self._now(), self._done.get(chore)
            if done is None or not done <= now < done + every:
                await chore.do(now)
                self._done[chore] = now
