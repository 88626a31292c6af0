"""The daemon's life: start, reload, stop."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

import orderwatch
from orderwatch.app.daemon.monitor import Monitor
from orderwatch.app.daemon.resources import Resources, open_resources
from orderwatch.app.daemon.scheduler import Schedule, scheduled
from orderwatch.app.daemon.signals import SignalControl
from orderwatch.app.daemon.supervisor import Supervisor, open_supervisor
from orderwatch.app.factories import learn_secrets, set_up_log
from orderwatch.app.notifications import tracked_problems
from orderwatch.config import Settings, remarks
from orderwatch.errors import ConfigError, OrderwatchError
from orderwatch.ops.log import Redactor
from orderwatch.ops.systemd import extending, notify, reloading, set_status
from orderwatch.service.fetching.fetcher import recover

log = structlog.get_logger()


async def run_daemon(settings: Settings, redactor: Redactor, reread: Callable[[], Settings]) -> None:
    """Work until SIGTERM or SIGINT; on SIGHUP go on with the configuration as it then is, if it is good."""
    control = SignalControl()
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
    set_status("stopped")


@asynccontextmanager
async def open_daemon(settings: Settings, redactor: Redactor) -> AsyncIterator["Daemon"]:
    """At work until the context ends; raises `OrderwatchError` where it cannot begin."""
    async with open_resources(settings, redactor, patience=math.inf) as resources:
        set_up_log(settings, redactor, [resources.log_listener])
        log.info("daemon.started", version=orderwatch.__version__, accounts=list(settings.accounts))
        async with tracked_problems(
            settings, resources.store, resources.log_listener, now=resources.clock.now
        ) as problems:
            await recover(resources.store, resources.clock.now)
            with scheduled(resources) as schedule:
                async with open_supervisor(resources, settings) as supervisor:
                    monitor = Monitor(resources, supervisor, problems)
                    daemon = Daemon(resources, supervisor, schedule, monitor)
                    daemon.begin()
                    with monitor.listening():
                        yield daemon


@dataclass(frozen=True, slots=True)
class Daemon:
    resources: Resources
    supervisor: Supervisor
    schedule: Schedule
    monitor: Monitor

    def begin(self) -> None:
        """What the crew does besides."""
        self.schedule.planners = lambda: self.supervisor.app.watchers
        self.supervisor.start(self.schedule.run, *self.monitor.works)
        self._heed()

    async def reload(self, reread: Callable[[], Settings]) -> None:
        """Take up the file as it is now; one that cannot be taken up changes nothing, and is said."""
        try:
            await self._take_up(await asyncio.to_thread(reread))
        except OrderwatchError as error:
            problems = error.problems if isinstance(error, ConfigError) else [str(error)]
            log.error("config.refused", problems=problems)  # noqa: TRY400 - the problems say it all
            self.resources.monitoring.metrics.reloaded(good=False)
        else:
            log.info("config.reloaded")
            set_up_log(self.supervisor.app.settings, self.resources.redactor, [self.resources.log_listener])
            self.resources.monitoring.metrics.reloaded(good=True)

    async def _take_up(self, settings: Settings) -> None:
        if settings.database.path != self.resources.database:
            raise ConfigError(["database.url: needs a restart"])
        learn_secrets(settings, self.resources.redactor)
        before = self.supervisor.app
        await self.supervisor.apply(settings)
        self.monitor.adjust(before)
        self._heed()

    def _heed(self) -> None:
        settings = self.supervisor.app.settings
        self.schedule.pace(settings)
        for remark in remarks(settings):
            log.warning("config.remark", detail=remark)
        if not settings.watch:
            log.warning("config.idle", detail="no [[watch]]: only orders placed from here are watched")
