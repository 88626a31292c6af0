"""Resources that live as long as the process: database, clock, wakeups, metrics, web server."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from orderwatch.app.daemon.dashboard import Dashboard
from orderwatch.app.daemon.resource_pool import ResourcePool
from orderwatch.app.operator import Operator
from orderwatch.app.plan import Plan
from orderwatch.core.database_location import DatabaseLocation
from orderwatch.db.cluster.shifts import fence_check
from orderwatch.db.daemon_status import read_daemon_status
from orderwatch.db.repositories import Store, guarded, open_dashboard_reader, open_store
from orderwatch.ops.health import Health
from orderwatch.ops.live_state import LiveState
from orderwatch.ops.log import Redactor
from orderwatch.ops.log_listener import LogListener
from orderwatch.ops.metrics import Metrics
from orderwatch.service.actions.controls import Controls
from orderwatch.service.actions.watch import POLL_SECONDS, SHARED_POLL_SECONDS, ActionWatch
from orderwatch.service.clock import Clock
from orderwatch.service.cluster.own_lease import OwnLease
from orderwatch.service.cluster.roster import Roster, SoleRoster
from orderwatch.service.cluster.shared_sweeps import SharedSweeps
from orderwatch.service.fetching.disk_budget import Reservations
from orderwatch.service.fetching.download_slots import DownloadSlots
from orderwatch.service.fetching.host_breaker import HostBreakers
from orderwatch.service.liveness import Liveness, LoopLag, why_unhealthy
from orderwatch.service.notifications.heartbeat import Heartbeat, is_useful
from orderwatch.service.polling.poller import SweepResult
from orderwatch.service.wakeup import Wakeup
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.web.actions.routes import ActionRoutes
from orderwatch.web.agenda.agenda_reader import AgendaReader
from orderwatch.web.agenda.routes import AgendaRoutes
from orderwatch.web.api.change_feed import ChangeFeed
from orderwatch.web.api.routes import api
from orderwatch.web.files.routes import FileRoutes
from orderwatch.web.pages.gallery import GalleryPages
from orderwatch.web.pages.page_renderer import PageRenderer
from orderwatch.web.pages.thumbnails import Thumbnails
from orderwatch.web.pages.views import Views
from orderwatch.web.queue.queue_reader import QueueReader
from orderwatch.web.queue.routes import QueueRoutes
from orderwatch.web.server.app import Routes, ServedPages
from orderwatch.web.server.listener import Listener
from orderwatch.web.server.response_cache import ResponseCache
from orderwatch.web.server.static import add_static


@dataclass(frozen=True, slots=True)
class Monitoring:
    """`live.work` is what runs now; the supervisor runs `live.loop.run()` and `listener.run()`."""

    live: LiveState
    metrics: Metrics
    listener: Listener

    def why_unhealthy(self) -> list[str]:
        """Return why the watchdog should not be fed; empty if all workers make progress."""
        return why_unhealthy(self.live.liveness, self.live.loop)


def build_monitoring(live: LiveState, *routes: Routes) -> Monitoring:
    """Create metrics, health checks and web server; `routes` add further pages."""
    metrics, health = Metrics(live), Health(live)
    pages = ServedPages(
        health=health.soundness, readiness=health.readiness, metrics=metrics.scrape, routes=routes
    )
    return Monitoring(live, metrics, Listener(pages))


@dataclass(slots=True)
class SweepLog:
    """Records the results of sweeps, and reports them to the present heartbeat.

    `swept` is the time of each account's last successful sweep. Of several hosts each shares its good sweeps
    with the one that keeps the heartbeat.
    """

    now: Callable[[], datetime]
    heartbeat: Heartbeat | None = None
    swept: dict[str, datetime] = field(default_factory=dict)
    shared: SharedSweeps | None = None

    async def record(self, account: str, done: SweepResult) -> None:
        if done.complete:
            self.swept[account] = self.now()
        if self.shared is not None:
            if done.complete and not done.problems:
                await self.shared.mark(account)
        elif self.heartbeat is not None:
            self.heartbeat.on_sweep(account, is_useful(done))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """`slots` are those of all accounts; `log_listener` receives events once logging is set up with it."""

    database: DatabaseLocation
    store: Store
    redactor: Redactor
    bandwidth: RateLimit = field(default_factory=lambda: RateLimit(0))
    slots: DownloadSlots = field(default_factory=lambda: DownloadSlots(0))
    clock: Clock
    rng: random.Random = field(default_factory=random.SystemRandom)
    poll_wakeup: Wakeup
    fetch_wakeup: Wakeup
    notify_wakeup: Wakeup = field(default_factory=Wakeup)
    log_listener: LogListener
    sweep_log: SweepLog
    monitoring: Monitoring
    dashboard: Dashboard
    controls: Controls
    action_watch: ActionWatch
    host_breakers: HostBreakers = field(default_factory=HostBreakers)
    reservations: Reservations = field(default_factory=dict)
    lease: OwnLease = field(default_factory=lambda: OwnLease(shared=False))
    roster: Roster = field(default_factory=SoleRoster)
    pool: ResourcePool = field(default_factory=ResourcePool)

    def store_for(self, shift: str) -> Store:
        """Return the store for work under this shift: it writes nothing once another host holds the shift."""
        if isinstance(self.roster, SoleRoster):
            return self.store
        return guarded(self.store, fence_check(shift, partial(self.roster.fence, shift)))

    def configure(self, plan: Plan) -> None:
        """Apply what running downloads share and what the pages show, now and at every reload."""
        self.bandwidth.limit = plan.bandwidth_limit
        self.slots.count = plan.parallel
        self.dashboard.plan = plan


@asynccontextmanager
async def open_resources(plan: Plan, redactor: Redactor, patience: float = 0.0) -> AsyncIterator[Resources]:
    """Open the database, which this process has locked; waits up to `patience` seconds while it is busy."""
    database, clock = plan.database.location, Clock()
    async with open_store(database, patience) as store, open_dashboard_reader(database) as reader:
        controls = Controls()
        live = LiveState(liveness=Liveness(), loop=LoopLag(), controls=controls)
        sweep_log, changes = SweepLog(clock.now), ChangeFeed(reader, clock.now)
        dashboard = Dashboard(reader=reader, live=live, now=clock.now, swept=sweep_log.swept)
        poll_wakeup, fetch_wakeup = Wakeup(), Wakeup()
        interval = SHARED_POLL_SECONDS if plan.database.is_shared else POLL_SECONDS
        action_watch = ActionWatch(
            store, controls, (poll_wakeup, fetch_wakeup), now=clock.now, interval=interval
        )
        sharing = ResponseCache(lambda: _newest(changes, action_watch))
        views = Views(
            records=reader,
            overview=dashboard.overview,
            transfers=changes.transfers,
            explain=dashboard.explain,
            learned=dashboard.learned,
            now=clock.now,
            sharing=sharing,
        )
        renderer = PageRenderer(dashboard.overview, clock.now)
        gallery = GalleryPages(records=reader, renderer=renderer, sharing=sharing)
        queue = QueueReader(
            records=reader,
            transfers=changes.transfers,
            limits=lambda: dashboard.plan.limits,
            now=clock.now,
        )
        queue_routes = QueueRoutes(queue.read, renderer, sharing)
        agenda = AgendaReader(records=reader, learned=dashboard.learned, now=clock.now)
        agenda_routes = AgendaRoutes(agenda.read, reader, renderer, sharing, clock.now)
        thumbnails = Thumbnails(reader, dashboard.picture)
        files = FileRoutes(reader, dashboard.open_file, dashboard.link)
        parts = (views, queue_routes, agenda_routes, gallery, thumbnails, files)
        api_routes = api(
            reader,
            dashboard.facts,
            dashboard.attention,
            changes,
            partial(read_daemon_status, database),
            hosts=dashboard.hosts,
        )
        acts = ActionRoutes(
            lambda who: Operator(plan=dashboard.plan, store=store, who=who, now=clock.now), reader.actions
        )
        resources = Resources(
            database=database,
            store=store,
            clock=clock,
            poll_wakeup=poll_wakeup,
            fetch_wakeup=fetch_wakeup,
            controls=controls,
            action_watch=action_watch,
            sweep_log=sweep_log,
            monitoring=build_monitoring(
                live, add_static, *(part.add_to for part in parts), api_routes, acts.add_to
            ),
            dashboard=dashboard,
            redactor=redactor,
            log_listener=LogListener(redactor),
        )
        resources.configure(plan)
        yield resources


def _newest(changes: ChangeFeed, actions: ActionWatch) -> int | None:
    """Return a number that grows with every change and every action; None without viewers."""
    return None if changes.newest is None else changes.newest + actions.newest
