"""The daemon's life: bells, crew, signals, reload, stop."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

import orderwatch
from orderwatch.app.compose import App, open_app, set_up_log
from orderwatch.config import Settings, not_in_effect
from orderwatch.errors import ConfigError
from orderwatch.ops.log import Redactor
from orderwatch.ops.systemd import notify
from orderwatch.service.bell import Bell
from orderwatch.service.turns import Turns

log = structlog.get_logger()

_STOP_GRACE = 3.0  # seconds that a delivery under way gets to end by itself
_HEARTBEAT = 15.0  # seconds; rings even while the scheduler sleeps through a backward step of the clock
_LONGEST_TICK = timedelta(seconds=5)


class Control:
    """What the outside wants of us: to stop, or to go on with another configuration."""

    def __init__(self, settings: Settings, reread: Callable[[], Settings]) -> None:
        self._database = settings.database.path
        self._reread = reread
        self._wanted = asyncio.Event()
        self._next: Settings | None = None
        self.stopping = False  # for good: no reload undoes it

    @contextmanager
    def signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGHUP: self.reload}
        before = {number: signal.getsignal(number) for number in handlers}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number, earlier in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, earlier)

    def stop(self) -> None:
        self.stopping = True
        self._wanted.set()
        notify("STOPPING=1")

    def reload(self) -> None:
        """Take up the file as it is now; a bad one changes nothing and is said once."""
        if self.stopping:
            return
        try:
            self._next = self._read()
        except ConfigError as error:
            log.error("config.refused", problems=error.problems)  # noqa: TRY400 - the problems say it all
            return
        log.info("config.reloaded")
        self._wanted.set()

    async def wait(self) -> None:
        await self._wanted.wait()

    def take(self) -> Settings | None:
        """The configuration to go on with, the newest that was asked for; None to end."""
        self._wanted.clear()
        taken, self._next = self._next, None
        return None if self.stopping else taken

    def _read(self) -> Settings:
        settings = self._reread()
        if settings.database.path != self._database:
            raise ConfigError(["database.url: needs a restart"])
        return settings


async def run_daemon(settings: Settings, redactor: Redactor, reread: Callable[[], Settings]) -> None:
    """Work until SIGTERM or SIGINT; on SIGHUP go on with the configuration as it then is, if it is good."""
    control = Control(settings, reread)
    log.info("daemon.started", version=orderwatch.__version__, accounts=list(settings.accounts))
    for note in not_in_effect(settings):
        log.warning("config.not_in_effect", detail=note)
    if not settings.watch:
        log.warning("config.idle", detail="no [[watch]]: only orders placed from here are watched")
    wanted: Settings | None = settings
    with control.signals():
        while wanted is not None:
            async with open_app(wanted, redactor) as app:
                await _work(app, control)
            if wanted := control.take():
                set_up_log(wanted, redactor)
    log.info("daemon.stopped")


async def _work(app: App, control: Control) -> None:
    """The crew, until somebody wants it to end. A member that fails ends the process: it is a bug."""
    tick = Bell()
    stopping = asyncio.Event()
    turns = Turns(app.settings.delivery.parallel)

    async def ring() -> None:
        tick.ring()
        app.todo.ring()

    scheduler = AsyncIOScheduler(timezone=UTC)
    scheduler.add_job(
        ring,
        "interval",
        seconds=min(_LONGEST_TICK, app.settings.polling.interval / 4).total_seconds(),
        max_instances=1,
        coalesce=True,
        misfire_grace_time=None,
    )
    async with asyncio.TaskGroup() as crew:
        watchers = [crew.create_task(p.run(tick), name=f"poller {name}") for name, p in app.pollers.items()]
        watchers += [
            crew.create_task(s.run(tick), name=f"standing {name}") for name, s in app.standing.items()
        ]
        watchers.append(crew.create_task(_heartbeat(ring), name="heartbeat"))
        workers = [
            crew.create_task(app.fetcher.work(app.todo, stopping, turns), name=f"fetcher {number}")
            for number in range(2 * app.settings.delivery.parallel)  # half of them for what is slow
        ]
        scheduler.start()
        notify("READY=1")
        try:
            await control.wait()
            if not control.stopping:
                notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            log.info("daemon.stopping")
        finally:
            scheduler.shutdown(wait=False)
            for watcher in watchers:
                watcher.cancel()
        stopping.set()
        app.todo.ring()
        await asyncio.wait(workers, timeout=_STOP_GRACE)
        for worker in workers:
            worker.cancel()


async def _heartbeat(ring: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(_HEARTBEAT)
        await ring()
