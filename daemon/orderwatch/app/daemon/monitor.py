"""Who looks after the daemon itself, whatever its settings: keeper, examiner, problems, signs of life."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from orderwatch.app.attention import scope_of
from orderwatch.app.daemon.maintenance import MaintenanceTargets, adjust, build_maintenance, on_event
from orderwatch.app.daemon.resources import Resources
from orderwatch.app.daemon.runtime import Runtime
from orderwatch.app.daemon.supervisor import Supervisor, Work
from orderwatch.app.notifications import channels_of
from orderwatch.app.plan import roots_of
from orderwatch.core.attention.attention import headline
from orderwatch.core.model import SETTLED, OrderState
from orderwatch.core.notifications.problems import Problem
from orderwatch.core.statistics import MetricCounts
from orderwatch.errors import DatabaseError
from orderwatch.ops import systemd
from orderwatch.service.notifications.attention import AttentionTracker
from orderwatch.service.notifications.problem_tracker import ProblemTracker
from orderwatch.service.wakeup import Wakeup

_STATUS = 30.0  # seconds, where nothing happens
_APART = 1.0  # seconds between two, where much does
# Whoever says these forgets them with the work that a reload makes anew, and says them again.
_FORGOTTEN = {
    "list.failed",
    "watch.empty",
    "order.look_failed",
    "ordering.failed",
    "ordering.hindered",
    "token.refresh_failed",
}


class Monitor:
    def __init__(self, resources: Resources, supervisor: Supervisor, problems: ProblemTracker) -> None:
        self._resources = resources
        self._supervisor = supervisor
        self._problems = problems
        self._news = Wakeup()
        self._care = build_maintenance(supervisor.app.settings, _world(resources, supervisor.app))
        live = resources.monitoring.live
        live.problems = lambda: list(problems.open.values())
        live.last_backup = lambda: self._care.maintenance.last_backup
        self._attention = AttentionTracker(
            resources.store, scope=lambda: scope_of(supervisor.app.settings), now=resources.clock.now
        )
        live.attention = lambda: self._attention.current
        live.read_attention = self._attention.read

    @property
    def works(self) -> Sequence[Work]:
        observed, tick = self._resources.monitoring, self._resources.poll_wakeup
        return (
            observed.live.loop.run,
            observed.listener.run,
            self._problems.run,
            partial(tick.run_on_each, self._care.maintenance.round),
            partial(tick.run_on_each, self._care.check_runner.round),
            partial(tick.run_on_each, self._care.catalog_updater.round),
            partial(tick.run_on_each, self._attention.round),
            self._feed,
            self._tell_status,
        )

    @contextmanager
    def listening(self) -> Iterator[None]:
        """What is logged renews the status; trouble brings the checks forward that may explain it."""
        loop = asyncio.get_running_loop()

        def heard(event: str, level: str, _fields: Mapping[str, object]) -> None:
            on_event(self._care, event)
            if level != "debug":
                with suppress(RuntimeError):  # the loop is closed: it is over
                    loop.call_soon_threadsafe(self._news.trigger)

        with self._resources.log_listener.heard_by(heard):
            yield

    def adjust(self, before: Runtime) -> None:
        """After a reload: what was said stays said, and its end will be said as well."""
        app = self._supervisor.app
        adjust(self._care, app.settings, _world(self._resources, app))
        renewed = {name for name, poller in app.pollers.items() if before.pollers.get(name) is not poller}
        self._problems.doubt(partial(_is_orphan, app, renewed))
        if app.heartbeat is not before.heartbeat:
            self._problems.doubt(lambda problem: problem.event == "heartbeat.failing")

    async def _feed(self) -> None:
        """The service manager's watchdog, as long as all is well."""
        within = systemd.watchdog_seconds()
        while within is not None:
            if not self._hung():
                systemd.notify("WATCHDOG=1")
            await asyncio.sleep(within / 3)

    def _hung(self) -> list[str]:
        observed = self._resources.monitoring
        if self._resources.store.trouble:  # everybody waits for the database
            return observed.live.loop.late()
        return observed.why_unhealthy()

    async def _tell_status(self) -> None:
        while True:
            news = self._news.subscribe()
            systemd.set_status(await self._status())
            with suppress(TimeoutError):
                async with asyncio.timeout(_STATUS):  # `wait_for` may swallow the cancellation of a stop
                    await news.wait()
            await asyncio.sleep(_APART)

    async def _status(self) -> str:
        if trouble := self._resources.store.trouble:
            return trouble
        try:
            counts = in_words(await self._resources.store.census())
        except DatabaseError as error:
            return str(error)
        current = self._attention.current
        return counts if current is None else f"{counts}; {headline(current)}"


def in_words(census: MetricCounts) -> str:
    """What a glance at the service should tell."""
    orders = sum(n for (_, state), n in census.orders.items() if state == OrderState.OPEN)
    stored = sum(n for (_, state), n in census.deliveries.items() if state in SETTLED)
    coming = sum(census.deliveries.values()) - stored
    return f"{orders} orders open, {coming} deliveries to come, {stored} stored"


def _is_orphan(app: Runtime, renewed: set[str], problem: Problem) -> bool:
    """Who would say its end is gone."""
    account, root, channel = (problem.facts.get(name) for name in ("account", "root", "channel"))
    roots = {str(place) for path in roots_of(app.settings).values() for place in (path, path.resolve())}
    return (
        (account is not None and account not in app.settings.accounts)
        or (account in renewed and problem.event in _FORGOTTEN)
        or (root is not None and root not in roots)
        or (channel is not None and channel not in {c.name for c in channels_of(app.settings)})
    )


def _world(resources: Resources, app: Runtime) -> MaintenanceTargets:
    return MaintenanceTargets(resources.store, app.trees, app.breakers, resources.clock)
