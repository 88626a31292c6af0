"""Care for what is kept: backups, forgetting what is long done, staging swept, files read again."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from orderwatch.ports import Upkeep
from orderwatch.service.nightly import Nightly
from orderwatch.service.scrub import Scrub
from orderwatch.service.volume import Volume

_OFTEN, _DAY = timedelta(minutes=10), timedelta(days=1)
_AT_ONCE = 100  # orders in one transaction


class Chore(Protocol):
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


class Sweeping:
    """Partials that no row knows any more."""

    def __init__(self, volumes: Sequence[Volume]) -> None:
        self.volumes = volumes

    async def do(self, now: datetime) -> None:
        del now  # files are as old as the disk says
        for volume in self.volumes:
            await volume.tidy()


class Keeper:
    """One worker for all of it, one thing after the other."""

    def __init__(
        self,
        nightly: Nightly,
        retention: Retention,
        sweeping: Sweeping,
        scrub: Scrub,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self.nightly = nightly
        self.retention = retention
        self.sweeping = sweeping
        self.scrub = scrub
        self._now = now
        self._every: dict[Chore, timedelta] = {
            nightly: _OFTEN,
            retention: _DAY,
            sweeping: _DAY,
            scrub: _OFTEN,
        }
        self._done: dict[Chore, datetime] = {}

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
