"""The backup of each night, due by the age of the newest one: a machine that slept catches up."""

from datetime import datetime, timedelta

import structlog

from orderwatch.errors import DatabaseError
from orderwatch.ports import Backups

log = structlog.get_logger()

_HOUR_OF_NIGHT = 3  # local time
_AGAIN = timedelta(hours=1)  # after a failure
_DAY = timedelta(days=1)


class Nightly:
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
    return newest is None or not _last_night(now) <= newest <= now + _DAY


def _last_night(now: datetime) -> datetime:
    night = now.astimezone().replace(hour=_HOUR_OF_NIGHT, minute=0, second=0, microsecond=0)
    return night if night <= now else night - _DAY
