"""The daemon's life: start, reload, stop."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

import orderwatch
from orderwatch.app.daemon.monitor import Oversight
from orderwatch.app.daemon.resources import House, open_house
from orderwatch.app.daemon.scheduler import Bells, scheduled
from orderwatch.app.daemon.signals import Control
from orderwatch.app.daemon.supervisor import Crew, open_crew
from orderwatch.app.factories import learn_secrets, set_up_log
from orderwatch.app.notifications import heard_problems
from orderwatch.config import Settings, remarks
from orderwatch.errors import ConfigError, OrderwatchError
from orderwatch.ops.log import Redactor
from orderwatch.ops.systemd import extending, notify, reloading, status
from orderwatch.service.fetching.fetcher import recover

log = structlog.get_logger()


async def run_daemon(settings: Settings, redactor: Redactor, reread: Callable[[], Settings]) -> None:
    """Work until SIGTERM or SIGINT; on SIGHUP go on with the configuration as it then is, if it is good."""
    control = Control()
    with control.signals():
        async with AsyncExitStack() as stack:
            with extending():
                async with control.unless_stopped():
                    daemon = await stack.enter_async_context(open_daemon(settings, redactor))
                    notify("READY=1")
            while await control.reloads():
                reloading()
                async with control.unless_stopped():
                    await daemon.reload(reread)
                    notify("READY=1")
            log.info("daemon.stopping")
    log.info("daemon.stopped")
    status("stopped")


@asynccontextmanager
async def open_daemon(settings: Settings, redactor: Redactor) -> AsyncIterator["Daemon"]:
    """At work until the context ends; raises `OrderwatchError` where it cannot begin."""
    async with open_house(settings, redactor, patience=math.inf) as house:
        set_up_log(settings, redactor, [house.tap])
        log.info("daemon.started", version=orderwatch.__version__, accounts=list(settings.accounts))
        async with heard_problems(settings, house.store, house.tap, now=house.clock.now) as problems:
            await recover(house.store, house.clock.now)
            with scheduled(house) as bells:
                async with open_crew(house, settings) as crew:
                    oversight = Oversight(house, crew, problems)
                    daemon = Daemon(house, crew, bells, oversight)
                    daemon.begin()
                    with oversight.listening():
                        yield daemon


@dataclass(frozen=True, slots=True)
class Daemon:
    house: House
    crew: Crew
    bells: Bells
    oversight: Oversight

    def begin(self) -> None:
        """What the crew does besides."""
        self.bells.planners = lambda: self.crew.app.watchers
        self.crew.employ(self.bells.run, *self.oversight.works)
        self._heed()

    async def reload(self, reread: Callable[[], Settings]) -> None:
        """Take up the file as it is now; one that cannot be taken up changes nothing, and is said."""
        try:
            await self._take_up(await asyncio.to_thread(reread))
        except OrderwatchError as error:
            problems = error.problems if isinstance(error, ConfigError) else [str(error)]
            log.error("config.refused", problems=problems)  # noqa: TRY400 - the problems say it all
            self.house.observed.metrics.reloaded(good=False)
        else:
            log.info("config.reloaded")
            set_up_log(self.crew.app.settings, self.house.redactor, [self.house.tap])
            self.house.observed.metrics.reloaded(good=True)

    async def _take_up(self, settings: Settings) -> None:
        if settings.database.path != self.house.database:
            raise ConfigError(["database.url: needs a restart"])
        learn_secrets(settings, self.house.redactor)
        before = self.crew.app
        await self.crew.take_up(settings)
        self.oversight.adjust(before)
        self._heed()

    def _heed(self) -> None:
        settings = self.crew.app.settings
        self.bells.pace(settings)
        for remark in remarks(settings):
            log.warning("config.remark", detail=remark)
        if not settings.watch:
            log.warning("config.idle", detail="no [[watch]]: only orders placed from here are watched")
