"""What outlives a configuration: the database, the clock, the bells, what a new one leaves as it is."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from orderwatch.app.daemon.dashboard import Showing
from orderwatch.app.daemon.resource_pool import Shared
from orderwatch.app.plan import limit_of
from orderwatch.config import Settings
from orderwatch.db.daemon_status import liveness
from orderwatch.db.dashboard_reader import open_gallery
from orderwatch.db.store import Store, open_store
from orderwatch.ops.health import Health
from orderwatch.ops.live_state import Live
from orderwatch.ops.log import Redactor
from orderwatch.ops.log_listener import Tap
from orderwatch.ops.metrics import Metrics
from orderwatch.service.clock import Clock
from orderwatch.service.fetching.disk_budget import Promises
from orderwatch.service.fetching.download_slots import Turns
from orderwatch.service.fetching.host_breaker import Outages
from orderwatch.service.liveness import Pulse, Punctuality, not_sound
from orderwatch.service.notifications.heartbeat import Deadman, use_of
from orderwatch.service.polling.poller import Round
from orderwatch.service.wakeup import Bell
from orderwatch.transfer.http.rate_limit import Bandwidth
from orderwatch.web.api.change_feed import Changes
from orderwatch.web.api.routes import api
from orderwatch.web.pages.thumbnails import Pictures
from orderwatch.web.pages.views import Site
from orderwatch.web.server.app import Pages, Routes
from orderwatch.web.server.listener import Front
from orderwatch.web.server.response_cache import Sharing
from orderwatch.web.server.static import add_static


@dataclass(frozen=True, slots=True)
class Observation:
    """`live.work` is what is at work now; the crew runs `live.loop.run()` and `front.run()`."""

    live: Live
    metrics: Metrics
    front: Front

    def not_sound(self) -> list[str]:
        """Why the service manager's watchdog should not be fed; empty where all is well."""
        return not_sound(self.live.pulse, self.live.loop)


def observation(live: Live, *routes: Routes) -> Observation:
    """`routes` add what else is served."""
    metrics, health = Metrics(live), Health(live)
    pages = Pages(health=health.soundness, readiness=health.readiness, metrics=metrics.scrape, routes=routes)
    return Observation(live, metrics, Front(pages))


@dataclass(slots=True)
class Rounds:
    """What the pollers' rounds came to, told to the dead man's switch of the present configuration.

    `swept` is when each account's last good one ended.
    """

    now: Callable[[], datetime]
    deadman: Deadman | None = None
    swept: dict[str, datetime] = field(default_factory=dict)

    def heard(self, account: str, done: Round) -> None:
        if done.swept:
            self.swept[account] = self.now()
        if self.deadman is not None:
            self.deadman.swept(account, use_of(done))


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """`tick` rings the watchers, `todo` the fetchers, `news` the tellers; `turns` are those of all downloads.

    `tap` hears the log, once it is set up with it.
    """

    database: Path
    store: Store
    redactor: Redactor
    bandwidth: Bandwidth
    turns: Turns
    clock: Clock
    rng: random.Random = field(default_factory=random.SystemRandom)
    tick: Bell = field(default_factory=Bell)
    todo: Bell = field(default_factory=Bell)
    news: Bell = field(default_factory=Bell)
    tap: Tap
    rounds: Rounds
    observed: Observation
    showing: Showing
    outages: Outages = field(default_factory=Outages)
    promises: Promises = field(default_factory=dict)
    shared: Shared = field(default_factory=Shared)


@asynccontextmanager
async def open_house(settings: Settings, redactor: Redactor, patience: float = 0.0) -> AsyncIterator[House]:
    """Open the database, which this process holds; while it is busy it is waited for, so many seconds."""
    database, clock = settings.database.path, Clock()
    async with open_store(database, patience) as store, open_gallery(database) as gallery:
        live = Live(pulse=Pulse(), loop=Punctuality())
        rounds, changes = Rounds(clock.now), Changes(gallery, clock.now)
        showing = Showing(gallery=gallery, live=live, now=clock.now, swept=rounds.swept, settings=settings)
        site = Site(
            records=gallery,
            overview=showing.overview,
            attention=showing.attention,
            transfers=changes.transfers,
            explain=showing.explain,
            learned=showing.learned,
            now=clock.now,
            sharing=Sharing(lambda: changes.newest),
        )
        pictures = Pictures(gallery, showing.picture)
        shown = api(gallery, showing.facts, showing.attention, changes, partial(liveness, database))
        yield House(
            database=database,
            store=store,
            clock=clock,
            rounds=rounds,
            observed=observation(live, add_static, site.add_to, pictures.add_to, shown),
            showing=showing,
            redactor=redactor,
            tap=Tap(redactor),
            bandwidth=Bandwidth(limit_of(settings)),
            turns=Turns(settings.delivery.parallel),
        )
