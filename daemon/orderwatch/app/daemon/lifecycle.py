"""Start, reload and stop of the daemon."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

import orderwatch
from orderwatch.app.daemon.membership import joined
from orderwatch.app.daemon.monitor import Monitor
from orderwatch.app.daemon.resources import Resources, open_resources
from orderwatch.app.daemon.scheduler import Schedule, scheduled
from orderwatch.app.daemon.signals import SignalControl
from orderwatch.app.daemon.supervisor import Supervisor, Work, open_supervisor
from orderwatch.app.factories import learn_secrets, set_up_log
from orderwatch.app.notifications import tracked_problems
from orderwatch.app.plan import resolve
from orderwatch.config import Settings, remarks
from orderwatch.errors import ConfigError, OrderwatchError
from orderwatch.ops.log import Redactor
from orderwatch.ops.systemd import extending, notify, reloading, set_status

log = structlog.get_logger()


async def run_daemon(settings: Settings, redactor: Redactor, reread: Callable[[], Settings]) -> None:
    """Run until SIGTERM or SIGINT; on SIGHUP apply the configuration file again, if it is valid."""
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
    """Run the daemon until the context ends; raises `OrderwatchError` if it cannot start."""
    plan = resolve(settings)
    async with AsyncExitStack() as stack:
        resources = await stack.enter_async_context(open_resources(plan, redactor, math.inf))
        store, listener, now = resources.store, resources.log_listener, resources.clock.now
        set_up_log(settings, redactor, [listener])
        log.info("daemon.started", version=orderwatch.__version__, accounts=list(plan.accounts))
        shared = plan.database.is_shared
        host = plan.settings.cluster.name if shared else None
        tracked = tracked_problems(plan.pace, store, listener, now=now, host=host)
        problems = await stack.enter_async_context(tracked)
        membership = joined(resources, shared=shared)
        resources, works = await stack.enter_async_context(membership)
        await resources.action_watch.read()  # before any worker starts what is paused
        schedule = stack.enter_context(scheduled(resources))
        supervisor = await stack.enter_async_context(open_supervisor(resources, plan))
        monitor = Monitor(resources, supervisor, problems)
        daemon = Daemon(resources, supervisor, schedule, monitor)
        daemon.begin(*works)
        stack.enter_context(monitor.listening())
        yield daemon


@dataclass(frozen=True, slots=True)
class Daemon:
    resources: Resources
    supervisor: Supervisor
    schedule: Schedule
    monitor: Monitor

    def begin(self, *works: Work) -> None:
        """Start the workers that no configuration changes."""
        self.monitor.assign()
        self.schedule.planners = lambda: self.supervisor.runtime.watchers
        follow = self.supervisor.follow_roster
        self.supervisor.start(self.schedule.run, follow, *works, *self.monitor.works)
        self._configure()

    async def reload(self, reread: Callable[[], Settings]) -> None:
        """Apply the configuration file again; one that cannot be applied is logged and changes nothing."""
        try:
            await self._apply(await asyncio.to_thread(reread))
        except OrderwatchError as error:
            problems = error.problems if isinstance(error, ConfigError) else [str(error)]
            log.error("config.refused", problems=problems)  # noqa: TRY400 - no traceback
            self.resources.monitoring.metrics.reloaded(good=False)
        else:
            log.info("config.reloaded")
            set_up_log(
                self.supervisor.runtime.plan.settings, self.resources.redactor, [self.resources.log_listener]
            )
            self.resources.monitoring.metrics.reloaded(good=True)

    async def _apply(self, settings: Settings) -> None:
        if settings.database.location != self.resources.database:
            raise ConfigError(["database.url: needs a restart"])
        learn_secrets(settings, self.resources.redactor)
        before = self.supervisor.runtime
        await self.supervisor.apply(resolve(settings))
        self.monitor.adjust(before)
        self._configure()

    def _configure(self) -> None:
        plan = self.supervisor.runtime.plan
        self.schedule.pace(plan.pace)
        for remark in remarks(plan.settings):
            log.warning("config.remark", detail=remark)
        if not plan.settings.watch:
            log.warning(
                "config.idle",
                detail="no [[watch]] is configured; only orders placed by orderwatch are followed",
            )
