"""What outlives a configuration: the database, the clock, the bells, what a new one leaves as it is."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from orderwatch.app.daemon.dashboard import Dashboard
from orderwatch.app.daemon.resource_pool import ResourcePool
from orderwatch.app.plan import limit_of
from orderwatch.config import Settings
from orderwatch.db.daemon_status import liveness
from orderwatch.db.dashboard_reader import open_dashboard_reader
from orderwatch.db.store import Store, open_store
from orderwatch.ops.health import Health
from orderwatch.ops.live_state import LiveState
from orderwatch.ops.log import Redactor
from orderwatch.ops.log_listener import LogListener
from orderwatch.ops.metrics import Metrics
from orderwatch.service.clock import Clock
from orderwatch.service.fetching.disk_budget import Reservations
from orderwatch.service.fetching.download_slots import DownloadSlots
from orderwatch.service.fetching.host_breaker import HostBreakers
from orderwatch.service.liveness import Liveness, LoopLag, why_unhealthy
from orderwatch.service.notifications.heartbeat import Heartbeat, is_useful
from orderwatch.service.polling.poller import SweepResult
from orderwatch.service.wakeup import Wakeup
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.web.api.change_feed import ChangeFeed
from orderwatch.web.api.routes import api
from orderwatch.web.pages.thumbnails import Thumbnails
from orderwatch.web.pages.views import Views
from orderwatch.web.server.app import Routes, ServedPages
from orderwatch.web.server.listener import Listener
from orderwatch.web.server.response_cache import ResponseCache
from orderwatch.web.server.static import add_static


@dataclass(frozen=True, slots=True)
class Monitoring:
    """`live.work` is what is at work now; the crew runs `live.loop.run()` and `front.run()`."""

    live: LiveState
    metrics: Metrics
    listener: Listener

    def why_unhealthy(self) -> list[str]:
        """Why the service manager's watchdog should not be fed; empty where all is well."""
        return why_unhealthy(self.live.liveness, self.live.loop)


def build_monitoring(live: LiveState, *routes: Routes) -> Monitoring:
    """`routes` add what else is served."""
    metrics, health = Metrics(live), Health(live)
    pages = ServedPages(
        health=health.soundness, readiness=health.readiness, metrics=metrics.scrape, routes=routes
    )
    return Monitoring(live, metrics, Listener(pages))


@dataclass(slots=True)
class SweepLog:
    """What the pollers' rounds came to, told to the dead man's switch of the present configuration.

    `swept` is when each account's last good one ended.
    """

    now: Callable[[], datetime]
    heartbeat: Heartbeat | None = None
    swept: dict[str, datetime] = field(default_factory=dict)

    def heard(self, account: str, done: SweepResult) -> None:
        if done.swept:
            self.swept[account] = self.now()
        if self.heartbeat is not None:
            self.heartbeat.swept(account, is_useful(done))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """`tick` rings the watchers, `todo` the fetchers, `news` the tellers; `turns` are those of all downloads.

    `tap` hears the log, once it is set up with it.
    """

    database: Path
    store: Store
    redactor: Redactor
    bandwidth: RateLimit
    slots: DownloadSlots
    clock: Clock
    rng: random.Random = field(default_factory=random.SystemRandom)
    poll_wakeup: Wakeup = field(default_factory=Wakeup)
    fetch_wakeup: Wakeup = field(default_factory=Wakeup)
    notify_wakeup: Wakeup = field(default_factory=Wakeup)
    log_listener: LogListener
    sweep_log: SweepLog
    monitoring: Monitoring
    dashboard: Dashboard
    host_breakers: HostBreakers = field(default_factory=HostBreakers)
    reservations: Reservations = field(default_factory=dict)
    pool: ResourcePool = field(default_factory=ResourcePool)


@asynccontextmanager
async def open_resources(
    settings: Settings, redactor: Redactor, patience: float = 0.0
) -> AsyncIterator[Resources]:
    """Open the database, which this process holds; while it is busy it is waited for, so many seconds."""
    database, clock = settings.database.path, Clock()
    async with open_store(database, patience) as store, open_dashboard_reader(database) as reader:
        live = LiveState(liveness=Liveness(), loop=LoopLag())
        rounds, changes = SweepLog(clock.now), ChangeFeed(reader, clock.now)
        dashboard = Dashboard(reader=reader, live=live, now=clock.now, swept=rounds.swept, settings=settings)
        views = Views(
            records=reader,
            overview=dashboard.overview,
            attention=dashboard.attention,
            transfers=changes.transfers,
            explain=dashboard.explain,
            learned=dashboard.learned,
            now=clock.now,
            sharing=ResponseCache(lambda: changes.newest),
        )
        thumbnails = Thumbnails(reader, dashboard.picture)
        shown = api(reader, dashboard.facts, dashboard.attention, changes, partial(liveness, database))
        yield Resources(
            database=database,
            store=store,
            clock=clock,
            sweep_log=rounds,
            monitoring=build_monitoring(live, add_static, views.add_to, thumbnails.add_to, shown),
            dashboard=dashboard,
            redactor=redactor,
            log_listener=LogListener(redactor),
            bandwidth=RateLimit(limit_of(settings)),
            slots=DownloadSlots(settings.delivery.parallel),
        )
