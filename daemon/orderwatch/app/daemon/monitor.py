"""Watches the daemon itself: maintenance, checks, problems, watchdog, status line."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from orderwatch.app.attention import scope_of
from orderwatch.app.daemon.maintenance import MaintenanceTargets, adjust, build_maintenance, on_event
from orderwatch.app.daemon.resources import Resources
from orderwatch.app.daemon.runtime import Runtime
from orderwatch.app.daemon.supervisor import Supervisor, Work
from orderwatch.app.plan import resolved
from orderwatch.core.attention.attention import headline
from orderwatch.core.cluster.shifts import CATALOG, KEEPER
from orderwatch.core.model import SETTLED, OrderState
from orderwatch.core.notifications.problems import Problem
from orderwatch.core.queue.backlog import TO_COME
from orderwatch.core.statistics import MetricCounts
from orderwatch.errors import DatabaseError
from orderwatch.ops import systemd
from orderwatch.service.cluster.host_watch import HostWatch
from orderwatch.service.notifications.attention import AttentionTracker
from orderwatch.service.notifications.problem_tracker import ProblemTracker
from orderwatch.service.wakeup import Wakeup

_STATUS_INTERVAL_SECONDS = 30.0
_MIN_STATUS_INTERVAL_SECONDS = 5.0  # while events are logged: it counts all rows
# Logged by workers that forget it when a reload replaces them, and log it again.
_RESET_BY_RELOAD = {
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
        self._status_wakeup = Wakeup()
        self._tasks = build_maintenance(supervisor.runtime.plan, _targets(resources, supervisor.runtime))
        problems.holds = resources.roster.holds
        self._host_watch = HostWatch(
            resources.store.hosts,
            supervisor.runtime.plan.lives_for,
            problems,
            now=resources.clock.now,
            on_agreement=self._forget_channels,
        )
        self._retained: tuple[str, ...] | None = None  # channels, when the others were forgotten
        live = resources.monitoring.live
        live.problems = lambda: list(problems.open.values())
        live.last_backup = lambda: self._tasks.maintenance.last_backup
        self._attention = AttentionTracker(
            resources.store.attention,
            scope=lambda: scope_of(supervisor.runtime.plan),
            now=resources.clock.now,
            records=partial(resources.roster.holds, KEEPER),
            acted=lambda: resources.action_watch.newest,
        )
        live.attention = lambda: self._attention.current
        live.read_attention = self._attention.read

    def assign(self) -> None:
        """Have the supervisor run the work of one host at a time."""
        tick, roster = self._resources.poll_wakeup, self._resources.roster
        self._supervisor.assign(
            KEEPER,
            partial(tick.run_on_each, self._tasks.maintenance.run_due),
            partial(roster.renewed.run_on_each, self._host_watch.check),
        )
        if self._resources.sweep_log.shared is not None:
            self._supervisor.assign(KEEPER, partial(tick.run_on_each, self._feed_heartbeat))
        self._supervisor.assign(CATALOG, partial(tick.run_on_each, self._tasks.catalog_updater.update))

    @property
    def works(self) -> Sequence[Work]:
        observed, tick = self._resources.monitoring, self._resources.poll_wakeup
        return (
            observed.live.loop.run,
            observed.listener.run,
            self._problems.run,
            partial(self._resources.action_watch.run, observed.live.liveness.worker("actions", limit=60)),
            partial(self._resources.roster.renewed.run_on_each, self._problems.refresh),
            partial(tick.run_on_each, self._tasks.check_runner.run_due),
            partial(tick.run_on_each, self._attention.update_if_due),
            self._feed_watchdog,
            self._report_status,
        )

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Renew the status line on each logged event, and make checks due that may explain a problem."""
        loop = asyncio.get_running_loop()

        def on_log(event: str, level: str, _fields: Mapping[str, object]) -> None:
            on_event(self._tasks, event)
            if level != "debug":
                with suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(self._status_wakeup.trigger)

        with self._resources.log_listener.forwarding_to(on_log):
            yield

    def adjust(self, before: Runtime) -> None:
        """Apply the plan of a reload; problems stay open until they end or their source is gone."""
        runtime = self._supervisor.runtime
        adjust(self._tasks, runtime.plan, _targets(self._resources, runtime))
        renewed = {name for name, poller in runtime.pollers.items() if before.pollers.get(name) is not poller}
        self._problems.require_confirmation(partial(_is_orphan, runtime, renewed))
        if runtime.heartbeat is not before.heartbeat:
            self._problems.require_confirmation(lambda problem: problem.event == "heartbeat.failing")

    async def _forget_channels(self) -> None:
        """Forget channels that no host has configured any more, once for each configuration."""
        names = tuple(channel.name for channel in self._supervisor.runtime.plan.channels)
        if names != self._retained:
            with suppress(DatabaseError):  # retried at the next check
                await self._resources.store.outbox.retain(names)
                self._retained = names

    async def _feed_heartbeat(self) -> None:
        runtime, shared = self._supervisor.runtime, self._resources.sweep_log.shared
        if shared is not None:
            await shared.feed(runtime.heartbeat, self._resources.store.accounts, runtime.plan.pace.interval)

    async def _feed_watchdog(self) -> None:
        """Feed the service manager's watchdog while all workers make progress."""
        within = systemd.watchdog_seconds()
        while within is not None:
            if not self._hung():
                systemd.notify("WATCHDOG=1")
            await asyncio.sleep(within / 3)

    def _hung(self) -> list[str]:
        observed = self._resources.monitoring
        if self._resources.store.database.trouble:  # every worker waits for the database
            return observed.live.loop.late()
        return observed.why_unhealthy()

    async def _report_status(self) -> None:
        while systemd.is_listening():
            ticket = self._status_wakeup.subscribe()
            systemd.set_status(await self._status())
            with suppress(TimeoutError):
                async with asyncio.timeout(
                    _STATUS_INTERVAL_SECONDS
                ):  # `wait_for` may swallow the cancellation of a stop
                    await ticket.wait()
            await asyncio.sleep(_MIN_STATUS_INTERVAL_SECONDS)

    async def _status(self) -> str:
        if trouble := self._resources.store.database.trouble:
            return trouble
        try:
            counts = in_words(await self._resources.store.statistics.metric_counts())
        except DatabaseError as error:
            return str(error)
        current, pauses = self._attention.current, self._resources.controls.pauses
        return counts if current is None else f"{counts}; {headline(current, pauses)}"


def in_words(census: MetricCounts) -> str:
    """Return the status line of the service."""
    orders = sum(n for (_, state), n in census.orders.items() if state == OrderState.OPEN)
    stored = sum(n for (_, state), n in census.deliveries.items() if state in SETTLED)
    to_come = sum(n for (_, state), n in census.deliveries.items() if state in TO_COME)
    return f"{orders} orders open, {to_come} deliveries to come, {stored} stored"


def _is_orphan(runtime: Runtime, renewed: set[str], problem: Problem) -> bool:
    """Return whether nothing would log the end of this problem."""
    account, root, channel = (problem.facts.get(name) for name in ("account", "root", "channel"))
    roots = {form for root in runtime.plan.roots.values() for form in (str(root), resolved(root))}
    return (
        (account is not None and account not in runtime.plan.accounts)
        or (account in renewed and problem.event in _RESET_BY_RELOAD)
        or (root is not None and root not in roots)
        or (channel is not None and channel not in {c.name for c in runtime.plan.channels})
    )


def _targets(resources: Resources, runtime: Runtime) -> MaintenanceTargets:
    return MaintenanceTargets(
        resources.store_for(KEEPER),
        resources.store_for(CATALOG),
        runtime.trees,
        runtime.breakers,
        resources.clock,
    )
